create or replace function nightshift.record_refresh_failure(
  run_id uuid,
  fence bigint,
  view text,
  reason text,
  detail text,
  duration_ms integer,
  error jsonb
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(record_refresh_failure.view);
begin
  insert into nightshift.view_refreshes (view, view_name, run_id, status, reason, detail, started_at, duration_ms, error)
  select coalesce(nightshift.view_of(policy), policy.view), policy.view_name, run.id, 'failed',
    record_refresh_failure.reason, record_refresh_failure.detail,
    clock_timestamp() - make_interval(secs => record_refresh_failure.duration_ms / 1000.0),
    record_refresh_failure.duration_ms, record_refresh_failure.error
  where policy.view is not null;
end;
$$;

comment on function nightshift.record_refresh_failure is
  'Writes down that a refresh failed: its transaction, undone, could not. error: {code, message}. Errors: NS409 lease lost.';
