-- Which indexes a run is to rebuild, and what is in the way of each.
-- Locks: none, it reads the catalogs and the locks of others.

create or replace function nightshift.plan_reindex(run_id uuid, fence bigint, index_names text[])
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
begin
  perform nightshift.require_indexes(index_names);
  return (
    select coalesce(jsonb_agg(nightshift.describe_index(d.index) order by d.place, d.index::text), '[]')
    from (
      -- Of a partitioned index, each of its parts: so one that fails costs the others nothing.
      select l.oid::regclass as index, min(o.place) as place
      from unnest(index_names) with ordinality o(name, place)
      cross join lateral (select nightshift.find_relation(o.name)) f(index)
      join pg_catalog.pg_class c on c.oid = f.index
      cross join lateral (
        select c.oid where c.relkind = 'i'
        union all
        select t.relid from pg_partition_tree(f.index) t where c.relkind = 'I' and t.isleaf
      ) l(oid)
      group by l.oid
    ) d
  );
end;
$$;

comment on function nightshift.plan_reindex is
  'The indexes that are named, and the parts of those that are partitioned, as describe_index has each. Errors: NS404 for a name without an index, NS409 lease lost.';
