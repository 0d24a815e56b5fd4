create or replace function nightshift.finish_run(
  run_id uuid,
  fence bigint,
  status text,
  report jsonb default null,
  error jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
begin
  if finish_run.status is null or finish_run.status not in ('continued', 'succeeded', 'partial', 'failed') then
    raise exception using
      errcode = 'NS422',
      message = format('A run cannot finish as %L', finish_run.status),
      hint = 'Use continued, succeeded, partial or failed.';
  end if;
  select r.* into run from nightshift.runs r
  where r.id = finish_run.run_id and r.fence = finish_run.fence and r.status = finish_run.status;
  if found then
    return nightshift.describe_run(run);
  end if;
  perform nightshift.hold_run(run_id, fence);
  update nightshift.runs r
  set
    status = finish_run.status,
    report = finish_run.report,
    error = finish_run.error,
    finished_at = clock_timestamp(),
    lease_expires_at = null
  where r.id = finish_run.run_id
  returning r.* into run;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.finish_run is
  'Ends a run as continued, succeeded, partial or failed, with its report, and gives up the lease. Repeating the call changes nothing. Errors: NS409 lease lost, NS422 unknown status.';
