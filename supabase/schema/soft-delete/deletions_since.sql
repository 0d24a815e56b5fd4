create or replace function nightshift.deletions_since(
  relation regclass, after_transaction xid8, after_id bigint, out transaction xid8, out id bigint, out operation uuid
)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  names constant text[] := nightshift.history_names(relation);
begin
  perform nightshift.soft_delete_rules(relation);
  -- What is not older than every transaction under way may yet be preceded by one that commits later.
  return query
    with complete as not materialized (
      select e.transaction, e.id, e.operation from nightshift.deletion_events e
      where e.relation_name = any(names) and e.action = 'delete' and e.operation is not null
        and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
    )
    select c.transaction, c.id, c.operation
    from complete c
    where (c.transaction, c.id) >= (after_transaction, after_id)
      -- Of an operation in several statements, the last one stands for all of its rows.
      and not exists (
        select from complete n where n.operation = c.operation and (n.transaction, n.id) > (c.transaction, c.id)
      )
    order by c.transaction, c.id
    limit 100;
end;
$$;

comment on function nightshift.deletions_since is
  'The operations that deleted rows of a table, from a place in the history on, in an order in which none is ever put in before one that was given already. Without keys, since whoever may delete may ask. Errors: as of soft_delete_rules.';
