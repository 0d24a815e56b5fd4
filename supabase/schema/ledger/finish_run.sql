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
  cancelled boolean;
begin
  if finish_run.status is null or finish_run.status not in ('continued', 'interrupted', 'succeeded', 'partial', 'failed') then
    raise exception using
      errcode = 'NS422',
      message = format('A run cannot finish as %L', finish_run.status),
      hint = 'Use continued, interrupted, succeeded, partial or failed.';
  end if;
  select r.* into run from nightshift.runs r
  where r.id = finish_run.run_id and r.fence = finish_run.fence
    and r.status in (finish_run.status, case finish_run.status when 'continued' then 'interrupted' end);
  if found then
    return nightshift.describe_run(run);
  end if;
  run := nightshift.extend_lease(run_id, fence);
  -- Cancelled when its last batch had begun, it would be continued all the same.
  cancelled := finish_run.status = 'continued' and run.cancel_requested_at is not null;
  update nightshift.runs r
  set
    status = case when cancelled then 'interrupted' else finish_run.status end,
    report = finish_run.report,
    error = case when cancelled then nightshift.cancellation(run.cancel_requested_at, run.cancel_requested_by) else finish_run.error end,
    finished_at = clock_timestamp(),
    lease_expires_at = null
  where r.id = finish_run.run_id
  returning r.* into run;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.finish_run is
  'Ends a run as continued (interrupted, when it was cancelled), interrupted, succeeded, partial or failed, with its report, and gives up the lease. Repeating the call changes nothing. Errors: NS409 lease lost, NS422 unknown status.';
