create or replace function nightshift.alter_partition_policy(
  parent regclass,
  every interval default null,
  premake integer default null,
  retention interval default null,
  retire text default null,
  grace interval default null,
  max_fraction numeric default null,
  partition_schema name default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.partition_policies;
  context text;
begin
  update nightshift.partition_policies p
  set
    every = coalesce(nightshift.in_days(alter_partition_policy.every), p.every),
    premake = coalesce(alter_partition_policy.premake, p.premake),
    retention = coalesce(alter_partition_policy.retention, p.retention),
    retire = coalesce(alter_partition_policy.retire, p.retire),
    grace = coalesce(alter_partition_policy.grace, p.grace),
    max_fraction = coalesce(alter_partition_policy.max_fraction, p.max_fraction),
    partition_schema = coalesce(alter_partition_policy.partition_schema, p.partition_schema),
    enabled = coalesce(alter_partition_policy.enabled, p.enabled)
  where p.parent = alter_partition_policy.parent
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  if policy.enabled then
    perform nightshift.require_trusted_keys(policy.parent);
  end if;
  perform nightshift.require_ownership(policy.parent, 'partitions');
  if not policy.enabled then
    perform nightshift.drop_exclusion(policy.parent);
  end if;
  if retention is not null then
    update nightshift.retired_partitions d
    set status = 'released'
    where d.parent = alter_partition_policy.parent and d.status = 'reattached';
  end if;
  return (select s.document from nightshift.describe_partition_sets(array[policy.parent::oid]) s);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.alter_partition_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_partition_policy does, and returns the policy; one that is switched off may have keys of strangers to its partitions. Another every holds for new partitions. A retention, even the same, makes partitions that were attached again by hand due again. To keep all from now on, remove the policy and add it without retention. Errors: NS404, NS422.';
