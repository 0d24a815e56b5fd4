create or replace function nightshift.describe_vacuum_policy(policy nightshift.vacuum_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'table', coalesce((select c.oid::regclass::text from pg_catalog.pg_class c where c.oid = policy.relation), policy.relation_name),
    'maxDeadFraction', policy.max_dead_fraction,
    'enabled', policy.enabled,
    'gone', not exists (select from nightshift.tables_of_policy(policy))
  );
$$;

comment on function nightshift.describe_vacuum_policy is 'The JSON document of a policy; gone: there is no such table now.';
