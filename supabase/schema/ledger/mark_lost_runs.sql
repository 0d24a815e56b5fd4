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
    set (status, finished_at, error)
      = (select l.status, l.finished_at, l.error from nightshift.run_as_of(r, mark_lost_runs.as_of) l)
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
  'Marks the running run of a job as lost when its lease has run out, as having ended with its last sign of life, and returns its id. A crash counts without anyone reporting it.';
