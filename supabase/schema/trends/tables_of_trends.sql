create or replace function nightshift.tables_of_trends()
returns table (relation regclass, leaves oid[])
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive tree(leaf, root) as (
    select c.oid, c.oid
    from pg_catalog.pg_class c
    where c.relkind in ('r', 'p', 'm') and not c.relispartition and c.relpersistence <> 't'
      and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    union all
    select c.oid, t.root
    from tree t
    join pg_catalog.pg_inherits i on i.inhparent = t.leaf
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where c.relispartition
  ),
  declared(relation) as (
    select p.relation::oid from nightshift.retention_policies p
    union all
    select p.parent::oid from nightshift.partition_policies p
  ),
  -- Pages as of the last vacuum or analyze are in the catalog; asking for the size would open every file.
  whole as (
    select t.root, array_agg(t.leaf) as leaves, sum(c.relpages + coalesce(l.relpages, 0)) as pages,
      bool_or(t.leaf in (select d.relation from declared d)) as has_policy
    from tree t
    join pg_catalog.pg_class c on c.oid = t.leaf
    left join pg_catalog.pg_class l on l.oid = c.reltoastrelid
    group by t.root
  ),
  ranked as (
    select w.*, row_number() over (order by w.pages desc, w.root) as place,
      row_number() over (partition by w.has_policy order by w.pages desc, w.root) as place_among
    from whole w
  )
  select r.root::regclass, r.leaves
  from ranked r
  where r.place <= 20 or (r.has_policy and r.place_among <= 80)
  order by r.pages desc, r.root;
$$;

comment on function nightshift.tables_of_trends is
  'The tables and materialized views whose history is kept, largest first: the 20 largest of the database, and the 80 largest that have a retention or partition policy. A partitioned table is one, with all its partitions as leaves.';
