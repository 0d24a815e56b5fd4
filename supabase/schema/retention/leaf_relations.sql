create or replace function nightshift.leaf_relations(relation regclass)
returns setof regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(relation) t);
begin
  return query
  select l.leaf from nightshift.all_leaf_relations(relation) l(leaf) where l.leaf::oid <> all(left_alone) order by l.leaf::oid;
end;
$$;

comment on function nightshift.leaf_relations is
  'The tables that hold the rows of a table that a purge looks at, by oid: all_leaf_relations, without those that are left to a partition policy.';
