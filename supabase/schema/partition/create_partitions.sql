-- Room ahead for a run: several tables in one transaction, each for itself.
-- Why: one bad table must not stop the others, and what was done is written down with the deed.
-- Locks: those of create_missing_partitions.

create or replace function nightshift.create_partitions(
  run_id uuid,
  fence bigint,
  tables text[],
  lock_timeout_ms integer default 100,
  max_rows bigint default 50000,
  max_lock_ms integer default 1000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  -- With their locks held, one look at the catalogs tells of all of these.
  at_once constant integer := 20;
  run nightshift.runs;
  names text[];
  name text;
  step text;
  policies nightshift.partition_policies[];
  states nightshift.partition_state[];
  state nightshift.partition_state;
  made jsonb := '{}';
  answers jsonb := '[]';
  answer jsonb;
  hint text;
  context text;
  detail text;
begin
  perform nightshift.require_nothing_queued();
  run := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  for start in 1 .. cardinality(tables) by at_once loop
    exit when start > 1 and clock_timestamp() > stop_at;
    names := tables[start : start + at_once - 1];
    policies := '{}';
    foreach step in array array['lock', 'create'] loop
      if step = 'create' then
        states := array(
          select a from nightshift.assess_partitions(array(select p.parent::oid from unnest(policies) p), run.started_at) a
        );
      end if;
      for i in 1 .. cardinality(names) loop
        continue when step = 'create' and policies[i] is null;
        exit when (answers <> '[]' or step = 'lock' and i > 1) and clock_timestamp() > stop_at;
        name := names[i];
        answer := null;
        begin
          if step = 'lock' then
            if not exists (
              select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(name) and p.enabled
            ) then
              raise exception using
                errcode = 'NS404',
                message = format('%s has no partition policy that is switched on', name),
                hint = 'It was removed, switched off or renamed since the run began.';
            end if;
            policies[i] := nightshift.lock_for_creation(nightshift.find_relation(name));
          else
            select s.* into state from unnest(states) s where s.parent = policies[i].parent::oid;
            answer := nightshift.create_by_state(policies[i], state, max_rows, make_interval(secs => max_lock_ms / 1000.0))
              || '{"outcome": "made"}';
            if answer -> 'created' <> '[]' then
              made := made || jsonb_build_object(name, coalesce(made -> name, '[]') || (answer -> 'created'));
            end if;
          end if;
        exception
          when lock_not_available or deadlock_detected then
            get stacked diagnostics detail = pg_exception_detail;
            answer := nightshift.describe_busy(detail);
          when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS423' or syntax_error_or_access_rule_violation or object_not_in_prerequisite_state
            or feature_not_supported or integrity_constraint_violation or data_exception or dependent_objects_still_exist
            or program_limit_exceeded or plpgsql_error or invalid_schema_name or serialization_failure
          then
            get stacked diagnostics hint = pg_exception_hint, context = pg_exception_context;
            answer := jsonb_build_object('outcome', 'failed', 'error', nightshift.describe_ddl_failure(
              sqlstate, sqlerrm, hint, context, format('select nightshift.create_missing_partitions(%L);', name),
              exists (
                select 1 from pg_catalog.pg_partitioned_table t
                where t.partrelid = nightshift.find_relation(name) and t.partdefid <> 0
              )));
        end;
        if answer is not null then
          answers := answers || (answer || jsonb_build_object('table', name));
        end if;
      end loop;
    end loop;
  end loop;
  -- Once for all: the ledger is written anew each time.
  perform nightshift.note_partitions(run.id, 'created', made);
  return answers;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.create_partitions is
  'Makes the missing partitions of the tables, in one transaction, for a run: see create_missing_partitions. What happens to one table does not touch the others. Returns one answer a table, [{table, outcome: made, created, done, lockedMs} | {table, outcome: busy, holder (see lock_holder)} | {table, outcome: failed, error}], for as many tables as a second allows; the rest: call again. lock_timeout_ms: how long it waits for each lock, 1 to 5000, default 100. max_lock_ms: see max_lock there. statement_timeout 8 s. Tables with foreign keys, or with a default partition, one at a time: their locks are felt. Errors: NS409 lease lost, NS410 cancelled or paused, NS422.';
