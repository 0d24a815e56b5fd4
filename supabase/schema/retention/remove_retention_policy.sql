create or replace function nightshift.remove_retention_policy(relation regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
begin
  perform nightshift.follow_tables();
  delete from nightshift.retention_policies p
  where p.relation = remove_retention_policy.relation
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'select nightshift.list_retention_policies() shows what is declared.';
  end if;
  return nightshift.describe_retention_policy(policy);
end;
$$;

comment on function nightshift.remove_retention_policy is
  'Removes the policy; a run under way deletes nothing more of that table. A policy whose table is gone is removed by its oid: remove_retention_policy(12345::oid::regclass). Returns what was removed. Errors: NS404.';
