-- Retirement, the second step: what was detached is dropped when its grace period is over, or comes back.
-- Why: a wrong retention is noticed when data is missing; until then nothing is lost. Whether a table is still ours to drop
--      is told by what people change when they want to keep it, looked at under the lock.
-- Locks: none on any existing object; at run time ACCESS EXCLUSIVE on the dropped table and on those it refers to.

create function nightshift.why_not_drop(record nightshift.retired_partitions, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select case
    when c.oid is null then 'someone else dropped it'
    when c.relispartition then 'it is attached again'
    when c.relkind <> 'r' or c.oid::regclass::text <> record.partition_name then 'it was renamed or replaced'
    when exists (select 1 from pg_catalog.pg_inherits i where i.inhparent = c.oid) then 'other tables inherit from it'
    when not exists (
      select 1 from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.conname = 'nightshift_retired'
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
end;

comment on function nightshift.why_not_drop is
  'What speaks against dropping a retired partition now, in words; null for nothing. A table that someone has renamed, attached, or taken the constraint nightshift_retired from is no longer ours.';

create function nightshift.drop_retired_partitions(
  run_id uuid,
  fence bigint,
  partitions text[],
  lock_timeout_ms integer default 100
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '2 seconds';
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  name text;
  record nightshift.retired_partitions;
  reason text;
  answers jsonb := '[]';
  answer jsonb;
begin
  foreach name in array partitions loop
    exit when answers <> '[]' and clock_timestamp() > stop_at;
    answer := '{"outcome": "kept", "reason": "it is not waiting to be dropped"}';
    begin
      select d.* into record
      from nightshift.retired_partitions d
      where d.partition_name = name and d.status = 'detached' and d.drop_after is not null
      order by d.id desc
      limit 1
      for update;
      if found then
        perform 1 from nightshift.partition_policies p where p.parent = record.parent for share;
        -- With the table locked, nobody attaches or renames it between the look and the drop.
        if exists (select 1 from pg_catalog.pg_class c where c.oid = record.partition and c.relkind = 'r') then
          execute format('lock table %s in access exclusive mode', record.partition);
        end if;
        reason := nightshift.why_not_drop(record, run.started_at);
        if reason is null then
          execute format('drop table %s', record.partition);
          update nightshift.retired_partitions d
          set status = 'dropped', ended_at = clock_timestamp(), ended_run = run.id
          where d.id = record.id;
          perform nightshift.note_partitions(run.id, record.parent::text, 'dropped',
            jsonb_build_array(jsonb_build_object('partition', name, 'sizeBytes', record.size_bytes)));
          answer := '{"outcome": "dropped"}';
        else
          answer := jsonb_build_object('outcome', 'kept', 'reason', reason);
        end if;
      elsif exists (
        select 1 from nightshift.retired_partitions d
        where d.partition_name = name and d.status = 'dropped' and d.ended_run = run.id
      ) then
        -- The answer was lost, and the call is repeated.
        answer := '{"outcome": "dropped"}';
      end if;
    exception
      when lock_not_available or deadlock_detected then
        answer := '{"outcome": "busy"}';
      when dependent_objects_still_exist then
        answer := '{"outcome": "kept", "reason": "other objects need it"}';
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported or plpgsql_error then
        answer := jsonb_build_object('outcome', 'kept', 'reason', case
          when sqlstate like 'P0%' then format('Postgres refused with SQLSTATE %s; its log has the message', sqlstate)
          else format('Postgres says: %s', sqlerrm) end);
    end;
    answers := answers || (answer || jsonb_build_object('partition', name));
  end loop;
  return answers;
end;
$$;

comment on function nightshift.drop_retired_partitions is
  'Drops retired partitions whose grace period is over, each looked at again under the lock: see why_not_drop. Nothing is cascaded. Returns [{partition, outcome: dropped} | {partition, outcome: kept, reason} | {partition, outcome: busy}], for as many as two seconds allow. lock_timeout_ms: 1 to 5000, default 100; a partition with foreign keys also locks the tables that it refers to. statement_timeout 8 s. Errors: NS409, NS422, NS428 paused.';

create function nightshift.reattach_partition(partition regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  record nightshift.retired_partitions;
  default_partition regclass;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition = reattach_partition.partition and d.status in ('detached', 'detaching')
  order by d.id desc
  limit 1
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Nightshift has not retired %s', partition),
      detail = format('Retired and still there: %s', coalesce((
        select string_agg(d.partition_name, ', ' order by d.id) from nightshift.retired_partitions d where d.status = 'detached'
      ), 'none')),
      hint = 'One that was dropped is gone: restore it from a backup.';
  end if;
  if exists (
    select 1 from pg_catalog.pg_inherits i
    where i.inhrelid = partition and i.inhparent = record.parent and i.inhdetachpending
  ) then
    execute format('alter table %s detach partition %s finalize', record.parent, partition);
  elsif (select c.relispartition from pg_catalog.pg_class c where c.oid = partition) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is attached to a table', partition),
      hint = 'There is nothing to do.';
  end if;
  select nullif(t.partdefid, 0) into default_partition
  from pg_catalog.pg_partitioned_table t where t.partrelid = record.parent;
  if default_partition is null then
    execute format('lock table only %s in share update exclusive mode', record.parent);
  else
    perform nightshift.lock_for_change(record.parent, default_partition);
  end if;
  execute format('alter table %s drop constraint if exists nightshift_retired', partition);
  begin
    execute format('alter table %s attach partition %s for values from (%s) to (%s)',
      record.parent, partition, record.from_bound, record.to_bound);
  exception
    when check_violation then
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = format('The default partition %s has rows of its time, from %s to %s.', default_partition, lower(record.period), upper(record.period)),
        hint = format('Move them to %s, and try again.', partition);
    when invalid_object_definition then
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = sqlerrm,
        hint = format('Another partition holds its time now: insert into %s select * from %s;', record.parent, partition);
    when datatype_mismatch or undefined_column or undefined_object then
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = sqlerrm,
        hint = format('%s has changed since: give %s the same columns and constraints.', record.parent, partition);
  end;
  update nightshift.retired_partitions d set status = 'reattached', ended_at = clock_timestamp() where d.id = record.id;
  return jsonb_build_object('partition', partition::text, 'table', record.parent::text);
end;
$$;

comment on function nightshift.reattach_partition is
  'Makes a retired partition, or one that is half detached, part of its table again, with the bounds it had. It is not retired again until nightshift.alter_partition_policy is given a retention. Waits for locks at most 2 s; reads the partition once. It stays closed to the API: who may read it reads the table. Returns {partition, table}. Errors: NS404, NS422 its time is taken, 55P03.';

revoke all on function nightshift.why_not_drop, nightshift.drop_retired_partitions, nightshift.reattach_partition
from public, anon, authenticated;
grant execute on function nightshift.drop_retired_partitions, nightshift.reattach_partition to service_role;
