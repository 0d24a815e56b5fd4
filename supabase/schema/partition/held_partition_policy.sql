create or replace function nightshift.held_partition_policy(name text)
returns nightshift.partition_policies
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
begin
  select p.* into policy
  from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(name) and p.enabled and p.retention is not null
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy with a retention that is switched on', name),
      hint = 'It was removed, switched off or renamed since the run began.';
  end if;
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_trusted_keys(policy.parent);
  return policy;
end;
$$;

comment on function nightshift.held_partition_policy is
  'The policy of a table by its name, held as it is until the transaction ends. Errors: NS404, NS422.';
