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
    select k.policy, k.key, k.referencing, coalesce(pg_partition_root(k.referencing), k.referencing) as root,
      k.role in ('hold', 'keep') as holds
    from nightshift.purge_keys(policies) k
  )
  select k.policy, m.policy
  from keys k
  join members m on m.root = k.root
  where k.holds and nightshift.are_related(m.member, k.referencing)
  union
  select k.policy, o.policy
  from keys k
  join keys o on o.key = k.key
  where k.holds and not o.holds;
end;
$$;

comment on function nightshift.purge_waits is
  'Which policies have their turn later than which others: what is referred to comes after what refers to it and may go itself, and who keeps a row for a foreign key comes after who deletes or releases what refers to it.';
