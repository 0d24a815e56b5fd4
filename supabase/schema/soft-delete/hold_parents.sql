-- A row that comes back while what it belongs to is being deleted would be left alone with a deleted parent: neither of the two
-- sees what the other has not committed yet.

create or replace function nightshift.hold_parents(relation regclass, keys jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  edge record;
  child nightshift.soft_delete_rules;
  context text;
begin
  for edge in
    select s.relation as parent, c.oid
    from nightshift.soft_delete_cascades s
    join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
    where s.referencing = hold_parents.relation and s.relation <> s.referencing
    order by s.relation::text, s.constraint_name
  loop
    child := nightshift.soft_delete_rules(relation);
    execute format(
      'select count(*) from (select from %s p where exists ('
      || 'select from jsonb_to_recordset($1) as k(%s) join %s r on %s where %s) for share of p) held',
      nightshift.scan_of(edge.parent), child.key_definition, nightshift.scan_of(relation), child.key_match,
      nightshift.references_condition(edge.oid))
    using keys;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.hold_parents is
  'Keeps the rows to which the rows with these keys refer, by foreign keys that deletions go along, from being deleted until the transaction ends. Errors: 55P03, and see soft_delete_rules.';
