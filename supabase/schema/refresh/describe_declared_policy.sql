create or replace function nightshift.describe_declared_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select nightshift.describe_refresh_policy(policy) || jsonb_build_object(
    'warnings', nightshift.refresh_warnings(
      policy.view, nightshift.refresh_way(policy.view, policy.allow_blocking), nightshift.view_state(policy.view) ->> 'untracked'
    )
  );
$$;

comment on function nightshift.describe_declared_policy is
  'The JSON document of a policy with its warnings, as whoever declares it gets it.';
