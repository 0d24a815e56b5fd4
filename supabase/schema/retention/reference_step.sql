create or replace function nightshift.reference_step(scan text, alias text, leaves oid[], condition text, branches text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- The array is looked at before any table is.
  return format('select f.* from %1$s %2$s cross join lateral (%3$s) f where %4$s and r.relation = any(%5$L::oid[]) and %2$s.tableoid = r.relation and %2$s.ctid = r.tid',
    scan, alias, branches, condition, leaves);
end;
$$;

comment on function nightshift.reference_step is
  'The query that leads from a row r (relation, tid) of a table, which is read once, through several foreign keys: branches select from the tables at their other ends, by their conditions (see key_joins). alias: t for the referenced table, x for the referencing one.';
