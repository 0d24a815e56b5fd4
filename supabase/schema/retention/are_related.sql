create or replace function nightshift.are_related(one regclass, other regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return one = other
    or one in (select a.relid from pg_catalog.pg_partition_ancestors(other) a(relid))
    or other in (select a.relid from pg_catalog.pg_partition_ancestors(one) a(relid));
end;
$$;

comment on function nightshift.are_related is
  'Whether two tables are the same, or one is a partition of the other: what related_tables says, without a look at every partition.';
