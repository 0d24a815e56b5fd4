create or replace function nightshift.related_tables(relation regclass)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  -- So is nearly every table, and a purge asks often.
  if not exists (select from pg_catalog.pg_class c where c.oid = relation and (c.relkind = 'p' or c.relispartition)) then
    return next relation;
    return;
  end if;
  return query
  select nightshift.partitions_below(related_tables.relation)
  union
  select a.relid::oid from pg_catalog.pg_partition_ancestors(related_tables.relation) a(relid);
end;
$$;

comment on function nightshift.related_tables is 'A table, its partitions at every level, and what it is a partition of.';
