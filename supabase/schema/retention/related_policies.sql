create or replace function nightshift.related_policies(relation regclass)
returns setof nightshift.retention_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.related_tables(relation) r(oid)
  cross join lateral (select p.* from nightshift.retention_policies p where p.relation = r.oid offset 0) p;
end;
$$;

comment on function nightshift.related_policies is
  'The policies of a table, of its partitions, and of what it is a partition of.';
