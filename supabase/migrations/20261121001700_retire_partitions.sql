-- The end of a partition: taken out of its table, kept for a grace period, and only then dropped.
-- Why: what is detached can be had back in a moment; what is dropped cannot. Each step looks again at all that speaks
--      against it, under the lock.
-- Locks: none on any existing object; at run time ACCESS EXCLUSIVE on the table while it is detached from (SHARE UPDATE
--        EXCLUSIVE over the direct connection), and on what a dropped partition referred to by foreign keys.

create function nightshift.require_few_due(policy nightshift.partition_policies, due oid[], begun_partitions integer, run nightshift.runs)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(due) > policy.max_fraction * begun_partitions and not coalesce((run.input ->> 'force')::boolean, false) then
    raise exception using
      errcode = 'NS428',
      message = format('%s would lose %s of its %s partitions that have begun, more than max_fraction (%s) allows',
        policy.parent, cardinality(due), begun_partitions, policy.max_fraction),
      detail = 'None was retired.',
      hint = 'Look with a dry run. If it is meant: run once with force, or raise max_fraction with nightshift.alter_partition_policy.';
  end if;
end;
$$;

comment on function nightshift.require_few_due is
  'The brake: raises NS428 when a run would retire more than max_fraction of the partitions that have begun, unless it was given force.';

create function nightshift.why_not_retire(policy nightshift.partition_policies, partition regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record;
  referenced boolean;
  users text;
begin
  for key in
    select k.name, k.join_condition, nightshift.scan_of(k.referencing) as referencing
    from nightshift.referencing_keys(partition) k
  loop
    execute format('select exists (select from only %s t where exists (select from %s x where %s))',
      partition, key.referencing, key.join_condition) into referenced;
    if referenced then
      return format('rows of it are still needed by foreign key %s', key.name);
    end if;
  end loop;
  if policy.retire = 'drop' then
    select string_agg(distinct pg_describe_object(d.classid, d.objid, 0), ', ') into users
    from pg_catalog.pg_depend d
    where d.refclassid = 'pg_catalog.pg_class'::regclass
      and d.refobjid = partition
      and d.classid in ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
      and d.deptype = 'n';
    if users is not null then
      return format('it could not be dropped later: needed by %s', users);
    end if;
  end if;
  return null;
end;
$$;

comment on function nightshift.why_not_retire is
  'What keeps a due partition from being retired, in words: rows that foreign keys refer to or, when it is to be dropped, views and functions that read it by name; null for nothing.';

create function nightshift.stamp_retired(policy nightshift.partition_policies, partition regclass, run_id uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  record nightshift.retired_partitions;
  key record := nightshift.partition_key(policy.parent);
begin
  update nightshift.retired_partitions d
  set
    status = 'detached',
    retired_at = clock_timestamp(),
    drop_after = case policy.retire when 'drop' then clock_timestamp() + policy.grace end,
    run_id = stamp_retired.run_id
  where d.partition = stamp_retired.partition and d.status = 'detaching'
  returning d.* into record;
  -- On its own it is a table like any other: out of the reach of the API, and not for rows of another time.
  perform nightshift.secure_partition(partition);
  execute format(
    'alter table %s add constraint nightshift_retired check (%s) not valid', partition,
    concat_ws(' and ',
      case when record.from_bound <> 'MINVALUE' then format('%I >= %s', key.column_name, record.from_bound) end,
      format('%I < %s', key.column_name, record.to_bound))
  );
  return jsonb_build_object(
    'partition', record.partition_name,
    'from', nullif(lower(record.period), '-infinity') at time zone 'UTC',
    'to', upper(record.period) at time zone 'UTC',
    'sizeBytes', record.size_bytes,
    'dropAfter', record.drop_after
  );
end;
$$;

comment on function nightshift.stamp_retired is
  'Writes down that a partition is detached and when it may be dropped, takes it out of the reach of the API, and marks it with the constraint nightshift_retired, which keeps rows of another time out. Returns {partition, from, to, sizeBytes, dropAfter}.';

create function nightshift.note_detaching(policy nightshift.partition_policies, partition oid, run_id uuid)
returns void
language sql
set search_path = pg_catalog, pg_temp
begin atomic
  insert into nightshift.retired_partitions (
    partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes, estimated_rows, run_id
  )
  select
    r.partition, r.partition::regclass::text, policy.parent, policy.parent::text, r.from_bound, r.to_bound,
    tsrange(r.lower, r.upper), 'detaching', pg_total_relation_size(r.partition),
    nullif(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)), -1), note_detaching.run_id
  from nightshift.read_partitions(array[policy.parent::oid]) r
  join pg_catalog.pg_class c on c.oid = r.partition
  where r.partition = note_detaching.partition
    and not exists (
      select 1 from nightshift.retired_partitions d where d.partition::oid = r.partition and d.status = 'detaching'
    );
end;

comment on function nightshift.note_detaching is 'Writes down that a partition is about to be detached, with its bounds.';

create function nightshift.held_partition_policy(name text)
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
  return policy;
end;
$$;

comment on function nightshift.held_partition_policy is
  'The policy of a table by its name, held as it is until the transaction ends. Errors: NS404, NS422.';

create function nightshift.retire_partitions(
  run_id uuid,
  fence bigint,
  table_name text,
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
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state record;
  due oid;
  free oid[] := '{}';
  reason text;
  retired jsonb := '[]';
  blocked jsonb := '[]';
  waiting boolean := false;
begin
  select a.* into state from nightshift.assess_partitions(array[policy.parent::oid], run.started_at) a;
  perform nightshift.require_few_due(policy, state.due, state.begun_partitions, run);
  -- Before anyone has to wait.
  foreach due in array state.due loop
    reason := nightshift.why_not_retire(policy, due);
    if reason is null then
      free := free || due;
    else
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
    end if;
  end loop;
  if free <> '{}' then
    begin
      execute format('lock table only %s in access exclusive mode', policy.parent);
    exception
      when lock_not_available or deadlock_detected then
        return jsonb_build_object('outcome', 'busy', 'retired', retired, 'blocked', blocked);
    end;
    select a.* into state from nightshift.assess_partitions(array[policy.parent::oid], run.started_at) a;
  end if;
  foreach due in array free loop
    continue when due <> all(state.due);
    waiting := retired <> '[]' and clock_timestamp() > stop_at;
    exit when waiting;
    begin
      perform nightshift.note_detaching(policy, due, run.id);
      execute format('alter table %s detach partition %s', policy.parent, due::regclass);
      retired := retired || nightshift.stamp_retired(policy, due, run.id);
    exception
      when lock_not_available or deadlock_detected then
        waiting := true;
        exit;
      when foreign_key_violation then
        blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', 'rows of it are still needed by a foreign key');
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported then
        blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', format('Postgres says: %s', sqlerrm));
    end;
  end loop;
  return jsonb_build_object(
    'outcome', case when waiting and retired = '[]' then 'busy' when waiting then 'more' else 'retired' end,
    'retired', retired, 'blocked', blocked
  );
end;
$$;

comment on function nightshift.retire_partitions is
  'Detaches the due partitions of a table, as many as two seconds allow, and stamps them: see stamp_retired. A partition is due when it ended longer ago than retention; never the newest, never one attached again by hand. Returns {outcome: retired | more (call again) | busy (a lock was not to be had), retired: [{partition, from, to, sizeBytes, dropAfter}], blocked: [{partition, reason}]}. lock_timeout_ms: 1 to 5000, default 100. statement_timeout 8 s. Errors: NS404, NS409, NS422, NS428 paused, or more would go than max_fraction allows.';

create function nightshift.begin_detach(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, 1000);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state record;
  due oid;
  reason text;
  blocked jsonb := '[]';
begin
  select a.* into state from nightshift.assess_partitions(array[policy.parent::oid], run.started_at) a;
  perform nightshift.require_few_due(policy, state.due, state.begun_partitions, run);
  foreach due in array state.due loop
    reason := nightshift.why_not_retire(policy, due);
    if reason is null then
      perform nightshift.note_detaching(policy, due, run.id);
      return jsonb_build_object(
        'outcome', 'ready',
        'partition', due::regclass::text,
        'statement', format('alter table %s detach partition %s concurrently', policy.parent, due::regclass)
      );
    end if;
    blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
  end loop;
  return jsonb_build_object('outcome', 'done', 'blocked', blocked);
end;
$$;

comment on function nightshift.begin_detach is
  'Prepares to detach the next due partition of a table without blocking anyone: writes the intention down and returns {outcome: ready, partition, statement}, for the direct connection to execute outside of a transaction; finish_detach follows, now or in a later run. When none is left, {outcome: done, blocked: [{partition, reason}]}. Errors: as retire_partitions.';

create function nightshift.finish_detach(run_id uuid, fence bigint, partition text, lock_timeout_ms integer default 1000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  record nightshift.retired_partitions;
  policy nightshift.partition_policies;
  pending boolean;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition_name = finish_detach.partition and d.status = 'detaching'
  for update;
  if not found then
    return '{"outcome": "nothing"}';
  end if;
  select p.* into policy from nightshift.partition_policies p where p.parent = record.parent for share;
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = record.partition) then
    update nightshift.retired_partitions d set status = 'gone', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  select i.inhdetachpending into pending
  from pg_catalog.pg_inherits i
  where i.inhrelid = record.partition and i.inhparent = record.parent;
  if pending then
    execute format('alter table %s detach partition %s finalize', record.parent, record.partition);
  elsif pending is not null or policy.parent is null then
    -- It never came to it, or nobody wants it any more.
    delete from nightshift.retired_partitions d where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  return jsonb_build_object('outcome', 'retired', 'retired', nightshift.stamp_retired(policy, record.partition, run.id));
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
end;
$$;

comment on function nightshift.finish_detach is
  'Sees to a partition that was to be detached concurrently: finishes what was interrupted and stamps it. Returns {outcome: retired, retired: {partition, from, to, sizeBytes, dropAfter}}, {outcome: nothing} when it is still attached or gone, or {outcome: busy}. Errors: NS409, NS422, NS428 paused.';

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
          answer := jsonb_build_object('outcome', 'dropped', 'sizeBytes', record.size_bytes);
        else
          answer := jsonb_build_object('outcome', 'kept', 'reason', reason);
        end if;
      end if;
    exception
      when lock_not_available or deadlock_detected then
        answer := '{"outcome": "busy"}';
      when dependent_objects_still_exist then
        answer := jsonb_build_object('outcome', 'kept', 'reason', format('other objects need it: %s', (
          select string_agg(distinct pg_describe_object(d.classid, d.objid, 0), ', ')
          from pg_catalog.pg_depend d
          where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = record.partition and d.deptype = 'n'
        )));
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state then
        answer := jsonb_build_object('outcome', 'kept', 'reason', format('Postgres says: %s', sqlerrm));
    end;
    answers := answers || (answer || jsonb_build_object('partition', name));
  end loop;
  return answers;
end;
$$;

comment on function nightshift.drop_retired_partitions is
  'Drops retired partitions whose grace period is over, each looked at again under the lock: see why_not_drop. Nothing is cascaded. Returns [{partition, outcome: dropped, sizeBytes} | {partition, outcome: kept, reason} | {partition, outcome: busy}], for as many as two seconds allow. lock_timeout_ms: 1 to 5000, default 100; a partition with foreign keys also locks the tables that it refers to. statement_timeout 8 s. Errors: NS409, NS422, NS428 paused.';

create function nightshift.reattach_partition(partition regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  record nightshift.retired_partitions;
  has_default boolean;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition = reattach_partition.partition and d.status = 'detached'
  order by d.id desc
  limit 1
  for update;
  if not found or (select c.relispartition from pg_catalog.pg_class c where c.oid = partition) then
    raise exception using
      errcode = 'NS404',
      message = format('%s is no retired partition', partition),
      detail = format('Retired and still there: %s', coalesce((
        select string_agg(d.partition_name, ', ' order by d.id) from nightshift.retired_partitions d where d.status = 'detached'
      ), 'none')),
      hint = 'One that was dropped is gone: restore it from a backup.';
  end if;
  has_default := exists (
    select 1 from pg_catalog.pg_partitioned_table t where t.partrelid = record.parent and t.partdefid <> 0
  );
  execute format('lock table only %s in %s mode', record.parent,
    case when has_default then 'access exclusive' else 'share update exclusive' end);
  execute format('alter table %s drop constraint if exists nightshift_retired', partition);
  begin
    execute format('alter table %s attach partition %s for values from (%s) to (%s)',
      record.parent, partition, record.from_bound, record.to_bound);
  exception
    when invalid_object_definition or check_violation then
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = case sqlstate when '23514' then 'Rows of its time have come into the default partition, or rows of another into it.' else sqlerrm end,
        hint = 'Another partition holds its time now: insert the rows into the table instead.';
  end;
  update nightshift.retired_partitions d set status = 'reattached', ended_at = clock_timestamp() where d.id = record.id;
  return jsonb_build_object('partition', partition::text, 'table', record.parent::text);
end;
$$;

comment on function nightshift.reattach_partition is
  'Makes a retired partition part of its table again, with the bounds it had. It is not retired again until nightshift.alter_partition_policy is given a retention. Waits for locks at most 2 s; reads the partition once. Grants to public, anon and authenticated that it had by itself are not given back: they go through the table. Returns {partition, table}. Errors: NS404, NS422 its time is taken, 55P03.';

revoke all on function
  nightshift.require_few_due, nightshift.why_not_retire, nightshift.stamp_retired, nightshift.note_detaching,
  nightshift.held_partition_policy, nightshift.retire_partitions, nightshift.begin_detach, nightshift.finish_detach,
  nightshift.why_not_drop, nightshift.drop_retired_partitions, nightshift.reattach_partition
from public, anon, authenticated;
grant execute on function
  nightshift.retire_partitions, nightshift.begin_detach, nightshift.finish_detach, nightshift.drop_retired_partitions,
  nightshift.reattach_partition
to service_role;
