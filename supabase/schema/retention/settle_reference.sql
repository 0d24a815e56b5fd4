create or replace function nightshift.settle_reference(relation regclass, reference text, role text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
  keys oid[];
  takes_back boolean;
  context text;
begin
  perform nightshift.follow_tables();
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = settle_reference.relation
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'Declare one with nightshift.add_retention_policy.';
  end if;
  if settle_reference.role is null or settle_reference.role not in ('with_children', 'release', 'keep', 'hold') then
    raise exception using
      errcode = 'NS422',
      message = format('A reference cannot be settled as %s', coalesce(quote_literal(settle_reference.role), 'null')),
      hint = 'Say with_children (rows that refer go along), release (their reference is set to null or default), keep (they may hold what they refer to), or hold, which takes back what was said.';
  end if;
  if policy.enabled then
    perform nightshift.check_retention_policy(policy, true);
  end if;
  keys := nightshift.find_keys(policy.relation, reference);
  if cardinality(keys) = 0 then
    perform nightshift.refuse_key(policy.relation, reference);
  end if;
  with taken_back as (
    delete from nightshift.retention_keys k
    using pg_catalog.pg_constraint c
    where c.oid = any(keys) and k.policy = policy.relation and k.referencing = c.conrelid and k.constraint_name = c.conname
    returning k.role
  )
  select settle_reference.role <> 'with_children' and exists (select from taken_back t where t.role = 'child') into takes_back;
  if settle_reference.role <> 'hold' then
    perform nightshift.add_key(policy.relation, k, case settle_reference.role when 'with_children' then 'child' else settle_reference.role end)
    from unnest(keys) k;
  end if;
  if takes_back then
    perform nightshift.require_reached_keys(policy.relation);
  end if;
  return nightshift.describe_retention_policy(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.settle_reference is
  'Says of one foreign key what becomes of rows that refer to those of a policy, or to its children, and leaves what is said of others as it is. reference: the table that refers, with the columns of the key where there are several: ''public.messages(sender_id)''. role: with_children, release or keep, as in alter_retention_policy; hold takes back what was said. Several calls do the same in any order. Returns the policy. Errors: NS404, NS422, each with a hint that says the fix.';
