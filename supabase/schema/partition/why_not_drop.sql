create or replace function nightshift.why_not_drop(record nightshift.retired_partitions, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when c.oid is null then 'someone else dropped it'
    when c.relispartition then 'it is attached again'
    when c.relkind <> 'r' or c.oid::regclass::text <> record.partition_name then 'it was renamed or replaced'
    when exists (select 1 from pg_catalog.pg_inherits i where i.inhparent = c.oid) then 'other tables inherit from it'
    when not exists (
      select 1 from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.conname = 'nightshift_retired' and k.contype = 'c'
    ) then 'its constraint nightshift_retired was dropped'
    when p.parent is null then 'its table has no partition policy any more'
    when not p.enabled then 'the policy of its table is switched off'
    when p.retire <> 'drop' then 'the policy of its table says detach'
    when p.retention is null or upper(record.period) > least(why_not_drop.as_of, now()) at time zone 'UTC' - p.retention
      then 'it is not due any more: retention is longer now'
    when nightshift.users_of(c.oid) is not null then format('it is needed by %s', nightshift.users_of(c.oid))
    when greatest(record.drop_after, record.retired_at + p.grace) > least(why_not_drop.as_of, now()) then 'its grace period is not over'
  end
  from (select) one
  left join pg_catalog.pg_class c on c.oid = record.partition
  left join nightshift.partition_policies p on p.parent = record.parent;
$$;

comment on function nightshift.why_not_drop is
  'What speaks against dropping a retired partition now, in words; null for nothing. A table that someone has renamed, attached, or taken the constraint nightshift_retired from is no longer ours.';
