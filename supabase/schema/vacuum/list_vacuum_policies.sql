create or replace function nightshift.list_vacuum_policies()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(nightshift.describe_vacuum_policy(p) order by p.relation_name), '[]') from nightshift.vacuum_policies p;
$$;

comment on function nightshift.list_vacuum_policies is 'Every vacuum policy, as one JSON array: see describe_vacuum_policy.';
