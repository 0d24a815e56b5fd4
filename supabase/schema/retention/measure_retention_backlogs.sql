-- The backlogs of many tables in one call.
-- Why: on most nights most tables have nothing due, and a call for each takes longer than the look.
-- Locks: at run time ACCESS SHARE on the tables, on about 100 leaves at most.

create or replace function nightshift.measure_retention_backlogs(run_id uuid, fence bigint, relations text[])
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '4s'
set lock_timeout = '100ms'
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '500 milliseconds';
  max_locked constant integer := 100;
  locked integer := 0;
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  relation text;
  backlogs jsonb := '[]';
  context text;
begin
  foreach relation in array relations loop
    exit when backlogs <> '[]' and (locked >= max_locked or clock_timestamp() > stop_at);
    backlogs := backlogs || nightshift.measure_for_run(run, relation);
    locked := locked + (
      -- Of very many leaves each look is undone.
      select case when count(*) > 32 then 1 else count(*) end
      from nightshift.all_leaf_relations(nightshift.find_relation(relation)) l
    );
  end loop;
  return backlogs;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_backlogs is
  'What measure_retention_backlog says of each of these tables, in their order, for as many as half a second and about 100 locks allow, but at least one; the rest: call again. One that cannot be measured fails the call: ask each alone. statement_timeout 4 s, lock_timeout 0.1 s. Errors: NS404, NS409, NS422, NS425, 55P03.';
