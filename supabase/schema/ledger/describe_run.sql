create or replace function nightshift.describe_run(run nightshift.runs)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'id', run.id,
      'job', run.job,
      'trigger', run.trigger,
      'requestedBy', run.requested_by,
      'input', run.input,
      'dryRun', run.dry_run,
      'status', run.status,
      'attempt', run.attempt,
      'fence', run.fence,
      'startedAt', run.started_at,
      'heartbeatAt', run.heartbeat_at,
      'finishedAt', run.finished_at,
      'cancelRequestedAt', run.cancel_requested_at,
      'cancelRequestedBy', run.cancel_requested_by,
      'progress', run.progress,
      'report', run.report,
      'error', run.error
    )
  );
end;
$$;

comment on function nightshift.describe_run is 'The JSON document of a run, as the functions of the ledger return it.';
