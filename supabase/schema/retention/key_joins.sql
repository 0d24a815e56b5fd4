-- A batch asks of all keys at once: asked of each, this takes longer than all else that a small batch does.

create or replace function nightshift.key_joins(keys oid[])
returns table (
  key oid,
  condition text,
  referenced_scan text,
  referenced_leaves oid[],
  referencing_scan text,
  referencing_leaves oid[]
)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  relations oid[];
begin
  relations := array(
    select distinct r.oid
    from unnest(keys) a(key)
    cross join lateral (select c.conrelid, c.confrelid from pg_catalog.pg_constraint c where c.oid = a.key offset 0) k
    cross join lateral (values (k.conrelid), (k.confrelid)) r(oid)
  );
  return query
  with tables as materialized (
    select t.oid,
      case c.relkind when 'p' then '' else 'only ' end || t.name as scan,
      case c.relkind when 'r' then array[t.oid] else array(select l::oid from nightshift.all_leaf_relations(t.oid) l) end as leaves
    from unnest(relations, nightshift.trusted_names(relations)) t(oid, name)
    cross join lateral (select c.relkind from pg_catalog.pg_class c where c.oid = t.oid offset 0) c
  )
  select j.key, j.condition, referenced.scan, referenced.leaves, referencing.scan, referencing.leaves
  from nightshift.join_conditions(keys) j
  cross join lateral (select c.conrelid, c.confrelid from pg_catalog.pg_constraint c where c.oid = j.key offset 0) k
  join tables referenced on referenced.oid = k.confrelid
  join tables referencing on referencing.oid = k.conrelid;
end;
$$;

comment on function nightshift.key_joins is
  'For each of these foreign keys: how to name both of its tables after FROM (see scan_of), which leaves they have, and on which condition their rows belong together (see join_conditions). Errors: NS404, NS422 (see trusted_name, trusted_operator).';
