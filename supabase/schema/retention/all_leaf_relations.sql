create or replace function nightshift.all_leaf_relations(relation regclass)
returns setof regclass
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  -- So is nearly every table, and a purge asks often.
  if exists (select from pg_catalog.pg_class c where c.oid = relation and c.relkind = 'r') then
    return next relation;
    return;
  end if;
  return query
  select l.oid::regclass
  from nightshift.partitions_below(all_leaf_relations.relation) l(oid)
  -- One by one: a thousand partitions are expected of every table, and all of pg_class would be read for those as well.
  cross join lateral (select c.relkind from pg_catalog.pg_class c where c.oid = l.oid offset 0) c
  where c.relkind = 'r'
  order by l.oid;
end;
$$;

comment on function nightshift.all_leaf_relations is
  'The tables that really hold the rows of a table: itself, or its leaf partitions, by oid.';
