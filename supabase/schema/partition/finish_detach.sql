create or replace function nightshift.finish_detach(run_id uuid, fence bigint, partition text, lock_timeout_ms integer default 1000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  record nightshift.retired_partitions;
  policy nightshift.partition_policies;
  pending boolean;
  context text;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition_name = finish_detach.partition and d.status = 'detaching'
  for update;
  if not found then
    select d.* into record
    from nightshift.retired_partitions d
    where d.partition_name = finish_detach.partition and d.status = 'detached' and d.run_id = run.id;
    -- The answer was lost, and the call is repeated.
    return jsonb_build_object('outcome', case when found then 'retired' else 'nothing' end);
  end if;
  select p.* into policy from nightshift.partition_policies p where p.parent = record.parent for share;
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = record.partition) then
    update nightshift.retired_partitions d set status = 'gone', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = record.parent)
    or exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = record.partition and i.inhparent <> record.parent::oid)
    or record.partition::text <> record.partition_name
  then
    -- People have taken it into their own hands.
    update nightshift.retired_partitions d set status = 'gone', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  select i.inhdetachpending into pending
  from pg_catalog.pg_inherits i
  where i.inhrelid = record.partition and i.inhparent = record.parent;
  if pending then
    execute format('alter table %s detach partition %s finalize',
      nightshift.trusted_name(record.parent), nightshift.trusted_name(record.partition));
  elsif pending is not null then
    -- It never came to it; or a run that lost its lease is frozen just before it, and no fence stops that statement.
    delete from nightshift.retired_partitions d
    where d.id = record.id and d.retired_at < clock_timestamp() - interval '1 day';
    return '{"outcome": "nothing"}';
  end if;
  if pending is null and not exists (
    select 1
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
    where k.conrelid = record.partition and k.contype = 'c'
      and a.attname = (nightshift.partition_key(record.parent)).column_name
  ) then
    -- Detached concurrently, it would have its bounds as a constraint: a person has detached it, for reasons of their own.
    update nightshift.retired_partitions d set status = 'released', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  perform nightshift.stamp_retired(policy, record.partition, run.id);
  return '{"outcome": "retired"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.finish_detach is
  'Sees to a partition that was to be detached concurrently: finishes what was interrupted and stamps it. Returns {outcome: retired}, {outcome: nothing} when it is still attached, gone, or a person has detached it, or {outcome: busy}. One that is still attached is not forgotten for a day: the statement may be under way in a session that nobody waits for any more. Errors: NS409, NS410 cancelled or paused, NS422.';
