create or replace function nightshift.purge_order(policies oid[])
returns table (policy oid, "position" bigint, component oid[])
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with recursive waits as materialized (
    -- What is referred to comes after what refers to it and may go itself.
    select distinct k.policy as later, m.policy as earlier
    from nightshift.purge_keys(policies) k
    join (
      select m.policy, r.relation
      from nightshift.policy_members(policies) m cross join lateral nightshift.related_tables(m.member) r(relation)
    ) m on m.relation = k.referencing
    where k.role in ('hold', 'keep')
  ),
  reaches as (
    select w.later, w.earlier from waits w
    union
    select r.later, w.earlier from reaches r join waits w on w.later = r.earlier
  )
  -- Itself left out, or a table that refers to itself would come beside what it refers to.
  select p.policy, (select count(*) from reaches r where r.later = p.policy and r.earlier <> p.policy),
    array(
      select r.earlier from reaches r
      where r.later = p.policy and exists (select 1 from reaches b where b.later = r.earlier and b.earlier = p.policy)
      order by r.earlier
    )
  from unnest(policies) p(policy);
$$;

comment on function nightshift.purge_order is
  'In which order policies have their turn (ascending position): tables that refer come first, so that what is left of them then, stays. component: the policies, itself among them, whose rows may refer to each other in a circle, and which are decided together; empty where there is no circle.';
