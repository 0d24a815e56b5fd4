create or replace function nightshift.partition_key(parent regclass, out column_name name, out type regtype)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select a.attname, a.atttypid::regtype into column_name, type
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  where t.partrelid = partition_key.parent and t.partstrat = 'r' and t.partnatts = 1;
end;
$$;

comment on function nightshift.partition_key is
  'The column that a table is partitioned by, and its type; nulls unless that is by range of a single column.';
