create or replace function nightshift.heartbeat_run(run_id uuid, fence bigint)
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select nightshift.describe_run(nightshift.extend_lease(heartbeat_run.run_id, heartbeat_run.fence));
$$;

comment on function nightshift.heartbeat_run is
  'Extends the lease of a run and returns the run, also of one that has to end. Errors: NS409 when the lease is lost.';
