create or replace function nightshift.run_as_of(run nightshift.runs, as_of timestamptz)
returns nightshift.runs
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if run.status = 'running' and run.lease_expires_at <= run_as_of.as_of then
    run.status := 'lost';
    run.finished_at := coalesce(run.heartbeat_at, run.started_at);
    run.error := jsonb_build_object(
      'code', 'NS409',
      'message', 'The lease ran out without a heartbeat: the function died or was frozen.',
      'detail', format('Its last sign of life was at %s UTC.', to_char(run.finished_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
      'hint', 'What it had done is in progress; the next run goes on from there. Look for its last log lines.'
    );
  end if;
  return run;
end;
$$;

comment on function nightshift.run_as_of is
  'A run as it is told of, at a time: as lost when its lease has run out by then, with the last sign of life as its end, also before anyone has marked it. What holds or fences a run looks at the row.';
