-- Room ahead for a run: several tables in one transaction, each for itself.
-- Why: one bad table must not stop the others, and what was done is written down with the deed.
-- Locks: none on any existing object; at run time those of create_missing_partitions.

create function nightshift.describe_ddl_failure(state text, message text, hint text, statement text, rows_moved boolean)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'code', describe_ddl_failure.state,
    -- Of definitions Postgres speaks freely; what fails on rows may quote one.
    'message', case
      when describe_ddl_failure.state ~ '^NS' or describe_ddl_failure.state ~ '^(42|55|0A|2B)' and not describe_ddl_failure.rows_moved
        then describe_ddl_failure.message
      else format('Postgres refused with SQLSTATE %s', describe_ddl_failure.state) end,
    'hint', coalesce(nullif(describe_ddl_failure.hint, ''), format('To see why: %s', describe_ddl_failure.statement))
  );
end;

comment on function nightshift.describe_ddl_failure is 'The JSON document of an error of one table, for a report: {code, message, hint}, without row contents.';

create function nightshift.hold_partition_run(run_id uuid, fence bigint, lock_timeout_ms integer)
returns nightshift.runs
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
begin
  perform nightshift.require_unpaused();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions change under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see, under the lock, what changed before it.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run changes nothing', hint = 'Begin a run without dry_run.';
  end if;
  if lock_timeout_ms is null or lock_timeout_ms not between 1 and 5000 then
    raise exception using
      errcode = 'NS422',
      message = 'lock_timeout_ms must be from 1 to 5000',
      hint = 'It is how long others may queue behind a lock that is not to be had; begin with 100, and repeat.';
  end if;
  perform set_config('lock_timeout', lock_timeout_ms::text, true);
  return run;
end;
$$;

comment on function nightshift.hold_partition_run is
  'What every DDL of a run begins with: the fence, the pause, and how long it may wait for a lock (until the end of the transaction). Errors: NS409, NS422, NS428.';

create function nightshift.note_partitions(run_id uuid, table_name text, kind text, entries jsonb)
returns void
language sql
set search_path = pg_catalog, pg_temp
begin atomic
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps',
    coalesce(r.progress -> 'steps', '{}') || jsonb_build_object(note_partitions.table_name,
      coalesce(r.progress #> array['steps', note_partitions.table_name], '{}') || jsonb_build_object(note_partitions.kind,
        coalesce(r.progress #> array['steps', note_partitions.table_name, note_partitions.kind], '[]') || note_partitions.entries)))
  where r.id = note_partitions.run_id and note_partitions.entries <> '[]';
end;

comment on function nightshift.note_partitions is
  'Writes what was done to a table (kind: created, retired, dropped) into the ledger, in the transaction that does it: it is true whatever becomes of the answer.';

create function nightshift.create_partitions(
  run_id uuid,
  fence bigint,
  tables text[],
  lock_timeout_ms integer default 100,
  max_rows bigint default 50000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  name text;
  answers jsonb := '[]';
  answer jsonb;
  hint text;
begin
  foreach name in array tables loop
    exit when answers <> '[]' and clock_timestamp() > stop_at;
    begin
      if not exists (
        select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(name) and p.enabled
      ) then
        raise exception using
          errcode = 'NS404',
          message = format('%s has no partition policy that is switched on', name),
          hint = 'It was removed, switched off or renamed since the run began.';
      end if;
      answer := nightshift.create_missing_partitions(nightshift.find_relation(name), run.started_at, max_rows)
        || '{"outcome": "made"}';
      perform nightshift.note_partitions(run.id, name, 'created', answer -> 'created');
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        answer := '{"outcome": "busy"}';
      when sqlstate 'NS404' or sqlstate 'NS422' or syntax_error_or_access_rule_violation or object_not_in_prerequisite_state
        or feature_not_supported or integrity_constraint_violation or data_exception or dependent_objects_still_exist
        or program_limit_exceeded or plpgsql_error or invalid_schema_name
      then
        get stacked diagnostics hint = pg_exception_hint;
        answer := jsonb_build_object('outcome', 'failed', 'error', nightshift.describe_ddl_failure(
          sqlstate, sqlerrm, hint, format('select nightshift.create_missing_partitions(%L);', name),
          exists (
            select 1 from pg_catalog.pg_partitioned_table t
            where t.partrelid = nightshift.find_relation(name) and t.partdefid <> 0
          )));
    end;
    answers := answers || (answer || jsonb_build_object('table', name));
  end loop;
  return answers;
end;
$$;

comment on function nightshift.create_partitions is
  'Makes the missing partitions of the tables, in one transaction, for a run: see create_missing_partitions. What happens to one table does not touch the others. Returns one answer a table, [{table, outcome: made, created, done, lockedMs} | {table, outcome: busy} | {table, outcome: failed, error}], for as many tables as a second allows; the rest: call again. lock_timeout_ms: how long it waits for each lock, 1 to 5000, default 100. statement_timeout 8 s. Tables with foreign keys, or with a default partition, one at a time: their locks are felt. Errors: NS409 lease lost, NS422, NS428 paused.';

revoke all on function
  nightshift.describe_ddl_failure, nightshift.hold_partition_run, nightshift.note_partitions, nightshift.create_partitions
from public, anon, authenticated;
grant execute on function
  nightshift.create_partitions
to service_role;
