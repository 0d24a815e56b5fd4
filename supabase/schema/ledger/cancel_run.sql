-- Ends a run that somebody does not want any more, without making a failure of it.
-- Why: a run that holds the lease keeps every other run of its job waiting.
-- Locks: the row of the run, for which it waits until the batch under way has committed.

create or replace function nightshift.cancel_run(run_id uuid, requested_by text default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '7s'
set jit = off
as $$
declare
  requested_at constant timestamptz := clock_timestamp();
  run nightshift.runs;
begin
  update nightshift.runs r
  set
    cancel_requested_at = requested_at,
    cancel_requested_by = cancel_run.requested_by,
    -- Nobody works on a run that waits to be continued, so nobody else would end it.
    status = case r.status when 'continued' then 'interrupted' else r.status end,
    error = case r.status when 'continued' then nightshift.cancellation(requested_at, cancel_run.requested_by) else r.error end
  where r.id = cancel_run.run_id and r.cancel_requested_at is null
    and (r.status = 'running' or nightshift.waits_to_be_continued(r));
  select r.* into run from nightshift.runs r where r.id = cancel_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger.';
  end if;
  return nightshift.describe_run(nightshift.run_as_of(run, now()));
end;
$$;

comment on function nightshift.cancel_run is
  'Asks a run to end as interrupted: it does so before its next batch, view or partition, and what it had committed stays. One that waits to be continued ends at once, and its error says who asked. One that has ended stays as it is, also one that nothing would continue any more. One whose lease has run out is returned as lost, and ends if it comes back. requested_by: who asks, for the ledger. Returns the run. Errors: NS404.';
