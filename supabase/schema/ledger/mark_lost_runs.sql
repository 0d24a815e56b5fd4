create or replace function nightshift.mark_lost_runs(job text, as_of timestamptz)
returns uuid[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  lost_runs uuid[];
begin
  with lost as (
    update nightshift.runs r
    set
      status = 'lost',
      finished_at = mark_lost_runs.as_of,
      error = jsonb_build_object(
        'code', 'NS409',
        'message', 'The lease ran out without a heartbeat: the function died or was frozen.',
        'hint', 'What it had done is in progress; the next run goes on from there. Look for its last log lines.'
      )
    where r.job = mark_lost_runs.job
      and r.status = 'running'
      and r.lease_expires_at <= mark_lost_runs.as_of
    returning r.id
  )
  select coalesce(array_agg(lost.id), '{}') into lost_runs from lost;
  return lost_runs;
end;
$$;

comment on function nightshift.mark_lost_runs is
  'Marks the running run of a job as lost when its lease has run out, and returns its id. A crash counts without anyone reporting it.';
