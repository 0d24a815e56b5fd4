create or replace function nightshift.purge_waits(policies oid[])
returns table (later oid, earlier oid)
language plpgsql
stable
rows 100
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with members as materialized (
    select m.policy, m.member, coalesce(pg_partition_root(m.member), m.member) as root
    from nightshift.policy_members(policies) m
  ),
  keys as materialized (
    select k.policy, k.referencing, coalesce(pg_partition_root(k.referencing), k.referencing) as root
    from nightshift.purge_keys(policies) k
    where k.role in ('hold', 'keep')
  )
  select distinct k.policy, m.policy
  from keys k
  join members m on m.root = k.root
  where nightshift.are_related(m.member, k.referencing);
end;
$$;

comment on function nightshift.purge_waits is
  'Which policies have their turn later than which others: what is referred to comes after what refers to it and may go itself.';
