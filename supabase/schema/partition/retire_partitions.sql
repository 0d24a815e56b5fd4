-- Retirement, the first step: a partition that is due is taken out of its table and written down.
-- Why: what is detached can be had back in a moment; what is dropped cannot.
-- Locks: ACCESS EXCLUSIVE on the table (SHARE UPDATE EXCLUSIVE over the direct
--        connection) and on the partition, SHARE ROW EXCLUSIVE on tables at the other end of foreign keys.

create or replace function nightshift.retire_partitions(
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
set jit = off
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
  context text;
  held jsonb;
  holder jsonb;
  detail text;
begin
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  perform nightshift.require_few_due(policy, state, run);
  -- Before anyone has to wait.
  foreach due in array state.due loop
    -- As many as the time allows; the others by the next call.
    waiting := free <> '{}' and clock_timestamp() > look_until;
    exit when waiting;
    reason := nightshift.why_not_retire(policy, due);
    if reason is not null then
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
      continue;
    end if;
    held := nightshift.lock_holder(array[due::regclass], '{access exclusive}', 10 * make_interval(secs => lock_timeout_ms / 1000.0));
    if held is null then
      free := free || due;
    end if;
    holder := coalesce(holder, held);
  end loop;
  if free = '{}' and holder is not null then
    return jsonb_build_object('outcome', 'busy', 'holder', holder, 'blocked', blocked);
  end if;
  waiting := waiting or holder is not null;
  if free <> '{}' then
    begin
      perform nightshift.lock_for_change(policy.parent, null);
    exception
      when lock_not_available or deadlock_detected then
        get stacked diagnostics detail = pg_exception_detail;
        return nightshift.describe_busy(detail) || jsonb_build_object('blocked', blocked);
    end;
    -- What Postgres reads when a partition is detached: nobody adds to it any more.
    perform nightshift.require_trusted_keys(policy.parent);
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
      execute format('alter table %s detach partition %s', nightshift.trusted_name(policy.parent), nightshift.trusted_name(due));
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
    'holder', holder,
    'blocked', blocked
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.retire_partitions is
  'Detaches the due partitions of a table, as many as two seconds allow, and stamps them: see stamp_retired. A partition is due when it ended longer ago than retention; never the newest, never one attached again by hand. Returns {outcome: retired | more (call again) | busy (a lock was not to be had; holder: see lock_holder), blocked: [{partition, reason}]}. lock_timeout_ms: 1 to 5000, default 100. statement_timeout 8 s. Errors: NS404, NS409, NS410 cancelled or paused, NS422, NS428 more would go than max_fraction allows.';
