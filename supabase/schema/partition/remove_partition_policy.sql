create or replace function nightshift.remove_partition_policy(parent regclass)
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
  perform nightshift.drop_exclusion(parent);
  delete from nightshift.partition_policies p where p.parent = remove_partition_policy.parent returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.parent::text, ', ' order by p.parent::text) from nightshift.partition_policies p), 'no table')),
      hint = 'Name the table with its schema. One that was dropped goes by its oid.';
  end if;
  return nightshift.describe_partition_policy(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.remove_partition_policy is
  'Removes the policy of a table; its partitions stay as they are, and what was detached is never dropped. Returns what was removed. Errors: NS404.';
