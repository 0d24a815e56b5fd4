create or replace function nightshift.add_vacuum_policy(
  relation regclass,
  max_dead_fraction numeric default null,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.vacuum_policies;
begin
  policy.relation := add_vacuum_policy.relation;
  policy.relation_name := add_vacuum_policy.relation::text;
  policy.max_dead_fraction := add_vacuum_policy.max_dead_fraction;
  policy.enabled := coalesce(add_vacuum_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_vacuum_policy(policy);
  -- One that was left of a table of this name, which is gone.
  delete from nightshift.vacuum_policies p
  where p.relation_name = policy.relation_name and not exists (select from pg_catalog.pg_class c where c.oid = p.relation);
  insert into nightshift.vacuum_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a vacuum policy already', policy.relation),
      hint = 'Change it with nightshift.alter_vacuum_policy, or remove it first with nightshift.remove_vacuum_policy.';
  end if;
  return nightshift.describe_vacuum_policy(policy);
end;
$$;

comment on function nightshift.add_vacuum_policy is
  'Declares that a table, with its partitions, is vacuumed otherwise than all others, which need no policy. max_dead_fraction: from which share of dead rows on it is due, and at least 1,000; null: 0.05. enabled: false leaves it out of every run that is not asked for it by name. Returns the policy. Errors: NS404, NS422, each with a hint that says the fix.';
