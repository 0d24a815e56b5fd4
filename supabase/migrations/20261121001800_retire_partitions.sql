-- Retirement, the first step: a partition that is due is taken out of its table and written down.
-- Why: what is detached can be had back in a moment; what is dropped cannot.
-- Locks: none on any existing object; at run time ACCESS EXCLUSIVE on the table (SHARE UPDATE EXCLUSIVE over the direct
--        connection) and on the partition, SHARE ROW EXCLUSIVE on tables at the other end of foreign keys.

create function nightshift.require_few_due(policy nightshift.partition_policies, state nightshift.partition_state, run nightshift.runs)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal text := nightshift.why_not_retire_so_many(policy, cardinality(state.due), state.begun_partitions);
begin
  if refusal is not null and not coalesce((run.input ->> 'force')::boolean, false) then
    raise exception using
      errcode = 'NS428',
      message = refusal,
      detail = format('None of %s was retired.', policy.parent),
      hint = 'If it is meant: run once with force, or raise max_fraction with nightshift.alter_partition_policy. Room ahead is made all the same.';
  end if;
end;
$$;

comment on function nightshift.require_few_due is
  'The brake: raises NS428 when a run would retire more than max_fraction of the partitions that have begun, unless it was given force.';

create function nightshift.users_of(relation oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select string_agg(distinct u.name, ', ')
  from pg_catalog.pg_depend d
  left join pg_catalog.pg_rewrite w on d.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = d.objid
  left join pg_catalog.pg_constraint k on d.classid = 'pg_catalog.pg_constraint'::regclass and k.oid = d.objid
  cross join lateral (
    select case when w.oid is not null then pg_describe_object('pg_catalog.pg_class'::regclass, w.ev_class, 0)
      else pg_describe_object(d.classid, d.objid, 0) end
  ) u(name)
  where d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjid = users_of.relation
    and d.deptype = 'n'
    and (
      w.ev_class <> users_of.relation
      -- Copies of a key that refers to the partitioned table go when the partition does.
      or k.conrelid <> users_of.relation and k.conparentid = 0
      or d.classid = 'pg_catalog.pg_proc'::regclass
    );
end;

comment on function nightshift.users_of is
  'What reads or needs a table by its name, for which it cannot be dropped: views, functions, foreign keys of other tables; null for nothing.';

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
    users := nightshift.users_of(partition);
    if users is not null then
      return format('it could not be dropped later: needed by %s', users);
    end if;
  end if;
  return null;
end;
$$;

comment on function nightshift.why_not_retire is
  'What keeps a due partition from being retired, in words: rows that foreign keys refer to or, when it is to be dropped, views and functions that read it by name; null for nothing.';

create function nightshift.preview_retirement(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
begin
  select p.* into policy from nightshift.partition_policies p where p.parent = nightshift.find_relation(table_name);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('partition', d.partition::regclass::text, 'reason', w.reason) order by d.position), '[]')
    from unnest(state.due) with ordinality d(partition, position)
    cross join lateral nightshift.why_not_retire(policy, d.partition) w(reason)
    where w.reason is not null
  );
end;
$$;

comment on function nightshift.preview_retirement is
  'For a dry run: the due partitions of a table that a run would not retire, [{partition, reason}]. Errors: NS409, 55P03.';

create function nightshift.describe_retired(record nightshift.retired_partitions)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
begin atomic
  select jsonb_build_object(
    'partition', record.partition_name,
    'from', nullif(lower(record.period), '-infinity') at time zone 'UTC',
    'to', upper(record.period) at time zone 'UTC',
    'sizeBytes', record.size_bytes,
    'dropAfter', record.drop_after
  );
end;

comment on function nightshift.describe_retired is
  'The JSON document of a retired partition: {partition, from, to, sizeBytes, dropAfter}.';

create function nightshift.stamp_retired(policy nightshift.partition_policies, partition regclass, run_id uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  record nightshift.retired_partitions;
  key record;
begin
  update nightshift.retired_partitions d
  set
    status = 'detached',
    retired_at = clock_timestamp(),
    drop_after = case policy.retire when 'drop' then clock_timestamp() + policy.grace end,
    run_id = stamp_retired.run_id
  where d.partition = stamp_retired.partition and d.status = 'detaching'
  returning d.* into record;
  -- Not of the policy, which may have been removed meanwhile.
  key := nightshift.partition_key(record.parent);
  -- On its own it is a table like any other: out of the reach of the API, and not for rows of another time.
  perform nightshift.secure_partition(partition);
  execute format(
    'alter table %s add constraint nightshift_retired check (%s) not valid', partition,
    concat_ws(' and ',
      format('%I is not null', key.column_name),
      case when record.from_bound <> 'MINVALUE' then format('%I >= %s', key.column_name, record.from_bound) end,
      format('%I < %s', key.column_name, record.to_bound))
  );
  perform nightshift.note_partitions(
    stamp_retired.run_id, record.parent::text, 'retired', jsonb_build_array(nightshift.describe_retired(record))
  );
  return nightshift.describe_retired(record);
end;
$$;

comment on function nightshift.stamp_retired is
  'Writes down that a partition is detached and when it may be dropped, takes it out of the reach of the API, and marks it with the constraint nightshift_retired, which keeps rows of another time out. Without a policy, by then removed, it is kept. Returns describe_retired.';

create function nightshift.note_detaching(policy nightshift.partition_policies, partition oid, run_id uuid)
returns void
language sql
set search_path = pg_catalog, pg_temp
begin atomic
  -- What an earlier night wrote down and never did: since then it may have been attached with other bounds.
  delete from nightshift.retired_partitions d where d.partition::oid = note_detaching.partition and d.status = 'detaching';
  insert into nightshift.retired_partitions (
    partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes, estimated_rows, run_id
  )
  select
    r.partition, r.partition::regclass::text, policy.parent, policy.parent::text, r.from_bound, r.to_bound,
    tsrange(r.lower, r.upper), 'detaching', pg_total_relation_size(r.partition),
    nullif(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)), -1), note_detaching.run_id
  from nightshift.read_partitions(array[policy.parent::oid]) r
  join pg_catalog.pg_class c on c.oid = r.partition
  where r.partition = note_detaching.partition;
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
  look_until constant timestamptz := clock_timestamp() + interval '1 second';
  stop_at timestamptz;
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state nightshift.partition_state;
  due oid;
  free oid[] := '{}';
  reason text;
  retired integer := 0;
  blocked jsonb := '[]';
  waiting boolean := false;
begin
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  perform nightshift.require_few_due(policy, state, run);
  -- Before anyone has to wait.
  foreach due in array state.due loop
    -- As many as the time allows; the others by the next call.
    waiting := free <> '{}' and clock_timestamp() > look_until;
    exit when waiting;
    reason := nightshift.why_not_retire(policy, due);
    if reason is null then
      free := free || due;
    else
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
    end if;
  end loop;
  if free <> '{}' then
    begin
      perform nightshift.lock_for_change(policy.parent, null);
    exception
      when lock_not_available or deadlock_detected then
        return jsonb_build_object('outcome', 'busy', 'blocked', blocked);
    end;
    state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  end if;
  stop_at := clock_timestamp() + interval '1 second';
  foreach due in array free loop
    continue when due <> all(state.due);
    if retired > 0 and clock_timestamp() > stop_at then
      waiting := true;
      exit;
    end if;
    begin
      perform nightshift.note_detaching(policy, due, run.id);
      execute format('alter table %s detach partition %s', policy.parent, due::regclass);
      perform nightshift.stamp_retired(policy, due, run.id);
      retired := retired + 1;
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
    'outcome', case when waiting and retired = 0 then 'busy' when waiting then 'more' else 'retired' end,
    'blocked', blocked
  );
end;
$$;

comment on function nightshift.retire_partitions is
  'Detaches the due partitions of a table, as many as two seconds allow, and stamps them: see stamp_retired. A partition is due when it ended longer ago than retention; never the newest, never one attached again by hand. Returns {outcome: retired | more (call again) | busy (a lock was not to be had), blocked: [{partition, reason}]}. lock_timeout_ms: 1 to 5000, default 100. statement_timeout 8 s. Errors: NS404, NS409, NS422, NS428 paused, or more would go than max_fraction allows.';

revoke all on function
  nightshift.require_few_due, nightshift.users_of, nightshift.why_not_retire, nightshift.preview_retirement,
  nightshift.describe_retired, nightshift.stamp_retired, nightshift.note_detaching, nightshift.held_partition_policy,
  nightshift.retire_partitions
from public, anon, authenticated;
grant execute on function
  nightshift.preview_retirement, nightshift.retire_partitions
to service_role;
