create or replace function nightshift.add_retention_policy(
  relation regclass,
  drop_after interval,
  marker_column name default 'deleted_at',
  flag_column name default null,
  max_fraction numeric default 0.5,
  enabled boolean default true,
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
  policy.relation := add_retention_policy.relation;
  policy.relation_name := policy.relation::text;
  policy.drop_after := add_retention_policy.drop_after;
  policy.marker_column := add_retention_policy.marker_column;
  policy.flag_column := add_retention_policy.flag_column;
  policy.max_fraction := add_retention_policy.max_fraction;
  policy.enabled := coalesce(add_retention_policy.enabled, true);
  policy.first_purge := add_retention_policy.first_purge;
  policy.created_at := now();
  perform nightshift.follow_tables();
  perform nightshift.check_retention_policy(policy, allow_short);

  insert into nightshift.retention_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a retention policy already', policy.relation),
      hint = 'Change it with nightshift.alter_retention_policy, or remove it first with nightshift.remove_retention_policy.';
  end if;
  perform nightshift.declare_keys(policy.relation, with_children, release, keep);
  return nightshift.describe_declaration(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.add_retention_policy is
  'Declares that rows of relation may be purged once marker_column is older than drop_after (and flag_column is true, when given). The marker is a date, timestamp (read as UTC) or timestamptz, and needs an index. drop_after: at least 1 day unless allow_short. max_fraction: the largest share of the table one run may remove, default 0.5, and first_purge => ''all'' accepts once what is due now. with_children, release, keep: tables that refer to rows of relation, or to their children, with the foreign key''s columns where there are several, like ''public.messages(sender_id)'': their rows go with the row that they refer to; their reference is set to null or default, as the ON DELETE of the key says; or they may hold what they refer to and nobody needs to be told. Whatever else refers to a due row holds it. Returns the policy, warnings, and holders: tables that refer to its rows and of which it says nothing, each with how many due rows it would hold now (an estimate unless rowsExact) and the call that settles it. Errors: NS404, NS422, each with a hint that says the fix.';
