-- Room ahead beside a large default partition, the first of three steps: a constraint keeps out what the new partitions are for.
-- Why: Postgres reads the default partition, with everyone locked out, unless a validated constraint says that no row of it
--      belongs into the new one. Until the last step such a row is refused, so this is only for tables that never had one.
-- Locks: SHARE UPDATE EXCLUSIVE on the table; ACCESS EXCLUSIVE on the default partition, in which nothing is read under it.

create or replace function nightshift.exclude_from_default(
  run_id uuid,
  fence bigint,
  table_name text,
  validate_ms integer,
  lock_timeout_ms integer default 100
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set timezone = 'UTC'
set jit = off
as $$
declare
  -- The run itself is held only for the lock: before it a large partition may be read.
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  -- The rows that are written today are dated by the clock, whatever time the run is told.
  now constant timestamp := greatest(run.started_at, now()) at time zone 'UTC';
  period tsrange;
  writes_ahead boolean;
  from_bound text;
  to_bound text;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(table_name) and p.enabled
  for share;
  if not found then
    return '{"outcome": "nothing"}';
  end if;
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_trusted_keys(policy.parent);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  -- Should this run die now, the next one drops the constraint before anyone is in that time.
  select tsrange(min(i.lower), max(i.upper)) into period
  from nightshift.intervals_of(policy.every, state.missing) i
  where i.lower >= now + nightshift.usual_gap('partition-maintenance') + interval '1 hour'
  having count(*) > 0;
  if state.default_partition is null or period is null
    or nightshift.scan_time_of(state.default_partition) > make_interval(secs => validate_ms / 1000.0)
  then
    return '{"outcome": "nothing"}';
  end if;
  select exists (
    select 1 from nightshift.read_partitions(array[policy.parent::oid]) r where r.lower > now and nightshift.pages_of(r.partition) > 0
  ) into writes_ahead;
  to_bound := nightshift.bound_of_time(upper(period), state.key_type, policy.epoch);
  if not writes_ahead then
    from_bound := nightshift.bound_of_time(nightshift.interval_start(policy.every, now) + policy.every, state.key_type, policy.epoch);
    execute format('select exists (select from %s r where r.%2$I >= %3$s and r.%2$I < %4$s)',
      nightshift.trusted_name(state.default_partition), state.key_column,
      from_bound, to_bound) into writes_ahead;
  end if;
  if writes_ahead then
    return '{"outcome": "nothing"}';
  end if;

  run := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  execute format('lock table only %s in share update exclusive mode', nightshift.trusted_name(policy.parent));
  perform nightshift.lock_in_turn(array[state.default_partition], '{access exclusive}');
  perform nightshift.drop_exclusion(policy.parent);
  from_bound := nightshift.bound_of_time(lower(period), state.key_type, policy.epoch);
  execute format('alter table %s add constraint nightshift_room_ahead check (%2$I is null or %2$I < %3$s or %2$I >= %4$s) not valid',
    nightshift.trusted_name(state.default_partition), state.key_column, from_bound, to_bound);
  insert into nightshift.default_exclusions values (policy.parent, state.default_partition, period);
  return '{"outcome": "excluded"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.exclude_from_default is
  'Adds the constraint nightshift_room_ahead, not yet valid, to the default partition of a table: it keeps out rows of the missing partitions that begin after the next run. Only where none of its rows is later than the present interval, so that the application does not write ahead, and where validate_default is likely to take no longer than validate_ms. create_partitions then makes these partitions without reading the default partition, and drops the constraint; release_default drops it otherwise. Returns {outcome: excluded | nothing (it is not for this table now) | busy}. lock_timeout_ms: 1 to 5000, default 100. Errors: NS409, NS410, NS422.';
