create or replace function nightshift.lock_for_creation(parent regclass)
returns nightshift.partition_policies
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = lock_for_creation.parent
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  execute format('lock table only %s in share update exclusive mode', policy.parent);
  return policy;
end;
$$;

comment on function nightshift.lock_for_creation is
  'The policy of a table, held as it is, and the table locked in SHARE UPDATE EXCLUSIVE: until the transaction ends nobody else makes, attaches or detaches a partition of it, while readers and writers go on. Errors: NS404, NS422, 55P03.';
