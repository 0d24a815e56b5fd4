-- Retirement over the direct connection: DETACH ... CONCURRENTLY, between an intention and a stamp that are written down.
-- Why: it cannot run in a transaction, and a function may die before, in and after it.
-- Locks: ACCESS EXCLUSIVE on a partition that is half detached.

create or replace function nightshift.begin_detach(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, 1000);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state nightshift.partition_state;
  due oid;
  reason text;
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
    if reason is null then
      perform nightshift.note_detaching(policy, due, run.id);
      return jsonb_build_object(
        'outcome', 'ready',
        'partition', due::regclass::text,
        'statement', format('alter table %s detach partition %s concurrently',
          nightshift.trusted_name(policy.parent), nightshift.trusted_name(due))
      );
    end if;
    blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
  end loop;
  return jsonb_build_object('outcome', 'done', 'blocked', blocked);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.begin_detach is
  'Prepares to detach the next due partition of a table without blocking anyone: writes the intention down and returns {outcome: ready, partition, statement}, for the direct connection to execute outside of a transaction; finish_detach follows, now or in a later run. When none is left, {outcome: done, blocked: [{partition, reason}]}. {outcome: lock}: only retire_partitions can do it safely, since someone else could make a foreign key to the table meanwhile. Errors: as retire_partitions.';
