create or replace function nightshift.alter_vacuum_policy(
  relation regclass,
  max_dead_fraction numeric default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.vacuum_policies := nightshift.find_vacuum_policy(alter_vacuum_policy.relation::text);
begin
  if policy.relation is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no vacuum policy', relation),
      hint = 'Declare one with nightshift.add_vacuum_policy.';
  end if;
  policy.max_dead_fraction := coalesce(alter_vacuum_policy.max_dead_fraction, policy.max_dead_fraction);
  policy.enabled := coalesce(alter_vacuum_policy.enabled, policy.enabled);
  perform nightshift.check_vacuum_policy(
    row(alter_vacuum_policy.relation, policy.relation_name, policy.max_dead_fraction, policy.enabled, policy.created_at));
  update nightshift.vacuum_policies p
  set max_dead_fraction = policy.max_dead_fraction, enabled = policy.enabled
  where p.relation = policy.relation;
  return nightshift.describe_vacuum_policy(policy);
end;
$$;

comment on function nightshift.alter_vacuum_policy is
  'Changes what is given (null leaves a setting as it is), and returns the policy. Errors: NS404, NS422.';
