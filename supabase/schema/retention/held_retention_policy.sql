create or replace function nightshift.held_retention_policy(relation regclass)
returns nightshift.retention_policies
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  perform nightshift.follow_tables();
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = held_retention_policy.relation
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'Declare one with nightshift.add_retention_policy.';
  end if;
  return policy;
end;
$$;

comment on function nightshift.held_retention_policy is
  'The policy of a table that is about to be changed, held until the transaction ends. Errors: NS404.';
