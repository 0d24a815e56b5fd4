create or replace function nightshift.sets_to_remember(run nightshift.runs, deleted nightshift.row_set[])
returns setof nightshift.row_set
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with policies as materialized (
    select array(select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s) as scope
  ),
  tables as materialized (
    select d.relation, array(select nightshift.related_tables(d.relation)) as related
    from unnest(deleted) d group by d.relation
  ),
  keys as materialized (
    select distinct k.key, k.referencing from policies p cross join lateral nightshift.purge_keys(p.scope) k
  ),
  members as materialized (
    select m.* from policies p cross join lateral nightshift.policy_members(p.scope) m
  )
  select d.*
  from unnest(deleted) d
  join tables t on t.relation = d.relation
  cross join lateral (select count(*) from keys k where k.referencing::oid = any(t.related)) k(n)
  cross join lateral (
    select count(*) filter (where m.is_child) > 0, count(*) filter (where not m.is_child) > 0
    from members m where m.member::oid = any(t.related)
  ) m(is_child, is_due)
  -- Rows that refer to nothing, or to one row only which they go with, are not met again.
  where k.n > 1 or m.is_due and (k.n = 1 or m.is_child);
$$;

comment on function nightshift.sets_to_remember is
  'Those of the rows that a dry run counts as gone and can meet again: from another row that they refer to, or on its way through the table.';
