create or replace function nightshift.policy_members(policies oid[])
returns table (policy oid, member regclass, is_child boolean)
language plpgsql
stable
rows 5
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select p.relation::oid, p.relation, false
  from nightshift.retention_policies p where p.relation::oid = any(policies)
  union
  select k.policy::oid, k.referencing, true
  from nightshift.retention_keys k where k.policy::oid = any(policies) and k.role = 'child';
end;
$$;

comment on function nightshift.policy_members is 'The tables that lose rows by these policies: their own, and those of children.';
