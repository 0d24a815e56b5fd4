-- Retirement over the direct connection: DETACH ... CONCURRENTLY, between an intention and a stamp that are written down.
-- Why: it cannot run in a transaction, and a function may die before, in and after it.
-- Locks: ACCESS EXCLUSIVE on a partition that is half detached.

create or replace function nightshift.begin_detach(run_id uuid, fence bigint, table_name text, lock_timeout_ms integer default 1000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state nightshift.partition_state;
  due oid;
  reason text;
  held jsonb;
  holder jsonb;
  blocked jsonb := '[]';
  context text;
begin
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  perform nightshift.require_few_due(policy, state, run);
  -- No lock is held between this look and the deed, in which Postgres reads whatever refers to the table by then.
  if nightshift.can_be_referenced(policy.parent) then
    return '{"outcome": "lock"}';
  end if;
  foreach due in array state.due loop
    reason := nightshift.why_not_retire(policy, due);
    if reason is not null then
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
      continue;
    end if;
    -- Postgres waits for these before it is done, and gives up with the partition half detached.
    held := nightshift.lock_holder(array[policy.parent, due::regclass], '{access exclusive, access exclusive}',
      10 * make_interval(secs => lock_timeout_ms / 1000.0));
    holder := coalesce(holder, held);
    if held is null then
      perform nightshift.note_detaching(policy, due, run.id);
      return jsonb_build_object(
        'outcome', 'ready',
        'partition', due::regclass::text,
        'statement', format('alter table %s detach partition %s concurrently',
          nightshift.trusted_name(policy.parent), nightshift.trusted_name(due))
      );
    end if;
  end loop;
  return jsonb_build_object('outcome', case when holder is null then 'done' else 'busy' end, 'holder', holder, 'blocked', blocked);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.begin_detach is
  'Prepares to detach the next due partition of a table without blocking anyone: writes the intention down and returns {outcome: ready, partition, statement}, for the direct connection to execute outside of a transaction; finish_detach follows, now or in a later run. When none is left, {outcome: done, blocked: [{partition, reason}]}; {outcome: busy, holder (see lock_holder), blocked} when someone reads what is left in a transaction older than ten times lock_timeout_ms, 1 to 5000, default 1000. {outcome: lock}: only retire_partitions can do it safely, since someone else could make a foreign key to the table meanwhile. Errors: as retire_partitions.';
