create or replace function nightshift.alter_retention_policy(
  relation regclass,
  drop_after interval default null,
  marker_column name default null,
  flag_column name default null,
  max_fraction numeric default null,
  enabled boolean default null,
  allow_short boolean default false,
  with_children text[] default null,
  release text[] default null,
  keep text[] default null,
  first_purge text default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
  context text;
begin
  policy := nightshift.held_retention_policy(alter_retention_policy.relation);
  policy.drop_after := coalesce(alter_retention_policy.drop_after, policy.drop_after);
  policy.marker_column := coalesce(alter_retention_policy.marker_column, policy.marker_column);
  policy.flag_column := coalesce(alter_retention_policy.flag_column, policy.flag_column);
  policy.max_fraction := coalesce(alter_retention_policy.max_fraction, policy.max_fraction);
  policy.enabled := coalesce(alter_retention_policy.enabled, policy.enabled);
  policy.first_purge := coalesce(alter_retention_policy.first_purge, policy.first_purge);

  -- A policy can always be switched off, whatever has become of its table.
  if policy.enabled then
    perform nightshift.check_retention_policy(policy, allow_short or alter_retention_policy.drop_after is null);
  end if;
  update nightshift.retention_policies p
  set
    drop_after = policy.drop_after,
    marker_column = policy.marker_column,
    flag_column = policy.flag_column,
    max_fraction = policy.max_fraction,
    enabled = policy.enabled,
    first_purge = policy.first_purge,
    relation_name = policy.relation::text
  where p.relation = policy.relation;
  if policy.enabled or with_children is not null or release is not null or keep is not null then
    perform nightshift.declare_keys(policy.relation, with_children, release, keep);
  end if;
  return nightshift.describe_declaration(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.alter_retention_policy is
  'Changes what is given (null leaves a setting as it is, an empty array takes with_children, release or keep back) and validates the whole as add_retention_policy does. To drop a flag_column, remove the policy and add it anew. A run under way heeds the change from its next batch on. Returns what add_retention_policy does. Errors: NS404, NS422.';
