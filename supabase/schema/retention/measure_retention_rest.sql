create or replace function nightshift.measure_retention_rest(run_id uuid, fence bigint, relation text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '2s'
set lock_timeout = '500ms'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  policy nightshift.retention_policies := nightshift.policy_of_run(relation);
  context text;
begin
  return coalesce(nightshift.nothing_left(run, policy), nightshift.measure_backlog(policy, run.started_at));
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_rest is
  'What is left of the backlog of one policy as of the start of the run: dueRows, totalRows, their Exact flags, oldestDueAt, overdueSeconds. In a table over 32 MB, a purge that has met no row which stays knows that none is left. statement_timeout 2 s, so that it fits in at the end of a run: right after a large purge the index is full of dead entries. Errors: NS404, NS409, NS422.';
