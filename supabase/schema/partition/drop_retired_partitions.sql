-- Retirement, the second step: what was detached is dropped when its grace period is over, or comes back.
-- Why: a wrong retention is noticed when data is missing; until then nothing is lost. Whether a table is still ours to drop
--      is told by what people change when they want to keep it, looked at under the lock.
-- Locks: ACCESS EXCLUSIVE on the dropped table and on those it refers to.

create or replace function nightshift.drop_retired_partitions(
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
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '2 seconds';
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  name text;
  record nightshift.retired_partitions;
  reason text;
  answers jsonb := '[]';
  answer jsonb;
  context text;
  detail text;
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
          perform nightshift.lock_in_turn(array[record.partition], '{access exclusive}');
        end if;
        reason := nightshift.why_not_drop(record, run.started_at);
        if reason is null then
          execute format('drop table %s', nightshift.trusted_name(record.partition));
          update nightshift.retired_partitions d
          set status = 'dropped', ended_at = clock_timestamp(), ended_run = run.id
          where d.id = record.id;
          perform nightshift.note_partitions(run.id, 'dropped', jsonb_build_object(record.parent::text,
            jsonb_build_array(jsonb_build_object('partition', name, 'sizeBytes', record.size_bytes))));
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
        get stacked diagnostics detail = pg_exception_detail;
        answer := nightshift.describe_busy(detail);
      when sqlstate 'NS422' then
        answer := jsonb_build_object('outcome', 'kept', 'reason', sqlerrm);
      when dependent_objects_still_exist then
        answer := '{"outcome": "kept", "reason": "other objects need it"}';
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported or plpgsql_error
        or serialization_failure
      then
        get stacked diagnostics context = pg_exception_context;
        answer := jsonb_build_object('outcome', 'kept', 'reason', case
          when sqlstate like 'P0%' or sqlstate = '40001' then nightshift.describe_failure('Postgres refused', sqlstate, context)
          else format('Postgres says: %s', sqlerrm) end);
    end;
    answers := answers || (answer || jsonb_build_object('partition', name));
  end loop;
  return answers;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.drop_retired_partitions is
  'Drops retired partitions whose grace period is over, each looked at again under the lock: see why_not_drop. Nothing is cascaded. Returns [{partition, outcome: dropped} | {partition, outcome: kept, reason} | {partition, outcome: busy, holder (see lock_holder)}], for as many as two seconds allow. lock_timeout_ms: 1 to 5000, default 100; a partition with foreign keys also locks the tables that it refers to. statement_timeout 8 s. Errors: NS409, NS410 cancelled or paused, NS422.';
