create or replace function nightshift.parts_of_invalid_indexes()
returns setof oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select y.indexrelid
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid and c.relkind = 'I'
  cross join lateral pg_partition_tree(x.indrelid) t
  join pg_catalog.pg_index y on y.indrelid = t.relid and y.indexrelid <> x.indexrelid
  where not x.indisvalid and y.indisunique = x.indisunique
    and nightshift.index_definition(y.indexrelid) = nightshift.index_definition(x.indexrelid);
end;
$$;

comment on function nightshift.parts_of_invalid_indexes is
  'The indexes of partitions that an invalid partitioned index has, or that next_part_of_index would attach to it.';
