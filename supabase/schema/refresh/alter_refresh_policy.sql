create or replace function nightshift.alter_refresh_policy(
  view regclass,
  max_staleness interval default null,
  allow_blocking boolean default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(alter_refresh_policy.view::text);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', view),
      hint = 'Declare one with nightshift.add_refresh_policy.';
  end if;
  update nightshift.refresh_policies p
  set
    max_staleness = coalesce(alter_refresh_policy.max_staleness, p.max_staleness),
    allow_blocking = coalesce(alter_refresh_policy.allow_blocking, p.allow_blocking),
    enabled = coalesce(alter_refresh_policy.enabled, p.enabled)
  where p.view = policy.view
  returning p.* into policy;
  policy.view := alter_refresh_policy.view;
  perform nightshift.check_refresh_policy(policy);
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.alter_refresh_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_refresh_policy does, and returns the policy. Waits while the view is being refreshed. Errors: NS404, NS422.';
