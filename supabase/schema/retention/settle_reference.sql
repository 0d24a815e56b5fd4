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
  named regclass;
  strays regclass[];
  roles_before text[];
  context text;
begin
  policy := nightshift.held_retention_policy(settle_reference.relation);
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
  strays := nightshift.stray_tables(policy.relation);
  named := coalesce(
    (select c.conrelid::regclass from pg_catalog.pg_constraint c where c.oid = keys[1]),
    (select e.named from nightshift.read_key_entry(reference) e)
  );
  with reached as materialized (
    select p.key, c.conrelid, c.conname
    from nightshift.purge_keys(array[policy.relation::oid]) p
    join pg_catalog.pg_constraint c on c.oid = p.key
  ),
  taken_back as (
    delete from nightshift.retention_keys k
    where k.policy = policy.relation and k.referencing = named
      and (
        exists (select from reached r where r.key = any(keys) and r.conname = k.constraint_name and r.conrelid = named)
        -- What was said of a key that is gone, or leads to none of these rows any more, is not true of another that took its place.
        or not exists (select from reached r where r.conname = k.constraint_name and r.conrelid = named)
      )
    returning k.role
  )
  select array_agg(t.role) into roles_before from taken_back t;
  if cardinality(keys) = 0 and (settle_reference.role <> 'hold' or roles_before is null) then
    perform nightshift.refuse_key(policy.relation, reference);
  end if;
  if settle_reference.role <> 'hold' then
    perform nightshift.add_key(policy.relation, k, case settle_reference.role when 'with_children' then 'child' else settle_reference.role end)
    from unnest(keys) k;
  end if;
  if 'child' = any(roles_before) then
    perform nightshift.require_reached_keys(policy.relation, strays);
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
