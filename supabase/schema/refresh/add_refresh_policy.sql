create or replace function nightshift.add_refresh_policy(
  view regclass,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies;
begin
  policy.view := add_refresh_policy.view;
  policy.view_name := add_refresh_policy.view::text;
  policy.max_staleness := add_refresh_policy.max_staleness;
  policy.allow_blocking := coalesce(add_refresh_policy.allow_blocking, false);
  policy.enabled := coalesce(add_refresh_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_refresh_policy(policy);

  perform nightshift.follow_renames();
  if (nightshift.find_refresh_policy(policy.view_name)).view is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a refresh policy already', policy.view),
      hint = 'Change it with nightshift.alter_refresh_policy, or remove it first with nightshift.remove_refresh_policy.';
  end if;
  insert into nightshift.refresh_policies select policy.*;
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.add_refresh_policy is
  'Declares that Nightshift keeps a materialized view up to date. The caller must be allowed to refresh it. max_staleness: how old its data may become before it counts as stale, default 26 hours (a night and two hours of slack). A schedule leaves a change alone as long as the next one will still be in time; a call by hand does not. allow_blocking: whether it may be refreshed in the way that blocks its readers, where it cannot be refreshed concurrently; default false. Returns the policy and warnings. Errors: NS404, NS422, each with a hint that says the fix.';
