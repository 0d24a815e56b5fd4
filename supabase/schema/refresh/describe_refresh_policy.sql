create or replace function nightshift.describe_refresh_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'view', coalesce(nightshift.view_of(policy)::text, policy.view_name),
    'maxStaleness', policy.max_staleness::text,
    'allowBlocking', policy.allow_blocking,
    'enabled', policy.enabled,
    'lastRefreshedAt', policy.last_refreshed_at,
    'lastRefreshMs', policy.last_refresh_ms
  );
$$;

comment on function nightshift.describe_refresh_policy is 'The JSON document of a policy.';
