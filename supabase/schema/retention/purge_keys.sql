create or replace function nightshift.purge_keys(policies oid[])
returns setof nightshift.purge_key
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with members as materialized (
    select m.policy, m.member from nightshift.policy_members(policies) m
  ),
  keys as materialized (
    select distinct on (m.policy, r.key) m.policy, r.*
    from nightshift.referencing_keys(array(select distinct m.member::oid from members m)) r
    join members m on m.member::oid = r.relation
  ),
  families as materialized (
    select r.referenced,
      case when c.relkind = 'p' or c.relispartition then array(select nightshift.related_tables(r.referenced))
        else array[r.referenced::oid] end as related
    from (select distinct k.referenced from keys k) r
    cross join lateral (select c.relkind, c.relispartition from pg_catalog.pg_class c where c.oid = r.referenced offset 0) c
  )
  select k.policy,
    -- A key of the same name that was made anew may delete what it should release.
    case when d.role = 'release' and c.confdeltype not in ('n', 'd') then 'hold' else coalesce(d.role, 'hold') end,
    k.key, k.name, k.referenced, k.referencing, k.indexed, f.related
  from keys k
  join families f on f.referenced = k.referenced
  join pg_catalog.pg_constraint c on c.oid = k.key
  left join nightshift.retention_keys d
    on d.policy::oid = k.policy and d.referencing = k.referencing and d.constraint_name = k.constraint_name
  order by k.policy, k.key;
end;
$$;

comment on function nightshift.purge_keys is
  'The foreign keys that refer to rows which go by these policies, children included, and what each policy says of them: child, release, keep, or hold where it says nothing.';
