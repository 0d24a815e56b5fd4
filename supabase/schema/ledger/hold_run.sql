create or replace function nightshift.hold_run(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
begin
  perform nightshift.require_wanted(run);
  return run;
end;
$$;

comment on function nightshift.hold_run is
  'The fence: extends the lease and locks the run until the transaction ends, or refuses with NS409; with NS410 when the run was cancelled or Nightshift paused. Every write of a run calls it first, so no write can outlive its lease, and none comes after a cancel or a pause.';
