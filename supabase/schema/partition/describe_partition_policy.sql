create or replace function nightshift.describe_partition_policy(policy nightshift.partition_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'table', policy.parent::text,
    'every', case when policy.every < '1 day' then format('%s hours', extract(hour from policy.every)) else policy.every::text end,
    'premake', policy.premake,
    'roomDays', round(extract(epoch from policy.premake * policy.every) / 86400, 1),
    'retention', policy.retention::text,
    'retire', policy.retire,
    'grace', policy.grace::text,
    'maxFraction', policy.max_fraction,
    'partitionSchema', policy.partition_schema,
    'epoch', policy.epoch,
    'enabled', policy.enabled
  );
end;
$$;

comment on function nightshift.describe_partition_policy is
  'The JSON document of a policy; roomDays: how far ahead premake partitions reach.';
