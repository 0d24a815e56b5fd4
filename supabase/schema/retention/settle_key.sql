create or replace function nightshift.settle_key(policy regclass, key oid, named_keys jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  declared nightshift.retention_policies;
  own nightshift.retention_policies;
  named record;
  role text;
  keep text;
  with_children text;
  as_declared text;
begin
  select c.conrelid::regclass as referencing, c.conname, c.confdeltype as action, nightshift.retired_in_words(c.conrelid) as retired
  into named
  from pg_catalog.pg_constraint c where c.oid = settle_key.key;
  select k.role into role from nightshift.retention_keys k
  where k.policy = settle_key.policy and k.referencing = named.referencing and k.constraint_name = named.conname;
  if role = 'keep' then
    return null;
  elsif role is not null then
    return format('Nothing, if other sessions held rows of %s: the next run takes them.', named.referencing);
  end if;
  keep := nightshift.call_for_role(policy, key, 'keep', named_keys);
  with_children := nightshift.call_for_role(policy, key, 'child', named_keys);
  -- As the key itself has it: where a deletion would set it to null or its default, those rows are to outlive what they refer to.
  as_declared := case when named.action in ('n', 'd') then nightshift.call_for_role(policy, key, 'release', named_keys) else with_children end;
  if named.retired <> '' then
    return format('%s -- or wait until %s is dropped: its rows hold nothing then', keep, named.referencing);
  end if;

  select p.* into own from nightshift.related_policies(named.referencing) p
  order by p.enabled desc
  limit 1;
  if own.enabled then
    return format('%s -- or wait: rows of %s go by their own policy when they are due', as_declared, named.referencing);
  elsif own.relation is not null then
    return format('select nightshift.alter_retention_policy(%L, enabled => true); -- or: %s', own.relation, as_declared);
  end if;
  select p.* into declared from nightshift.retention_policies p where p.relation = settle_key.policy;
  -- A time that may be null marks rows of that table as well; one that may not would say of live rows that they are due.
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = named.referencing and a.attname = declared.marker_column and not a.attnotnull and not a.attisdropped
      and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
  ) then
    return format('select nightshift.add_retention_policy(%L, %L, marker_column => %L); -- or, marked or not: %s',
      named.referencing, declared.drop_after, declared.marker_column, as_declared);
  elsif named.action in ('n', 'd') then
    return format('%s -- or, so that they go along: %s', as_declared, with_children);
  end if;
  return format('%s -- or, to let both stay: %s', with_children, keep);
end;
$$;

comment on function nightshift.settle_key is
  'What to do about rows that hold a row of a policy through a foreign key: a call and, as a comment, another way. Null where the policy says that they may. named_keys: what keys_by_role says of the policy, which is asked once for many keys.';
