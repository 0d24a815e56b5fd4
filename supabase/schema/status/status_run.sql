create or replace function nightshift.status_run(run nightshift.runs)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', run.id,
    'status', run.status,
    'dryRun', run.dry_run,
    'trigger', run.trigger,
    'requestedBy', run.requested_by,
    'startedAt', run.started_at,
    'finishedAt', run.finished_at
  );
$$;

comment on function nightshift.status_run is 'A run in the snapshot, without its input, progress and report.';
