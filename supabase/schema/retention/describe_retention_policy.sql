create or replace function nightshift.describe_retention_policy(policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'relation', case when exists (select 1 from pg_catalog.pg_class c where c.oid = policy.relation)
        then policy.relation::text else coalesce(policy.relation_name, policy.relation::text) end,
      'dropAfter', policy.drop_after::text,
      'markerColumn', policy.marker_column,
      'flagColumn', policy.flag_column,
      'maxFraction', policy.max_fraction,
      'enabled', policy.enabled,
      'firstPurge', policy.first_purge,
      'withChildren', nightshift.keys_in_words(policy.relation, 'child'),
      'release', nightshift.keys_in_words(policy.relation, 'release'),
      'keep', nightshift.keys_in_words(policy.relation, 'keep'),
      'lastPurgedAt', policy.last_purged_at,
      'lastPurgedRun', policy.last_purged_run,
      'lastPurgedRows', policy.last_purged_rows
    )
  );
end;
$$;

comment on function nightshift.describe_retention_policy is 'The JSON document of a policy.';
