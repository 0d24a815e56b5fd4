create or replace function nightshift.waits_to_be_continued(run nightshift.runs)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select run.status = 'continued' and run.attempt < 40 and run.finished_at > now() - interval '6 hours';
$$;

comment on function nightshift.waits_to_be_continued is
  'Whether an event may still resume a run: its last attempt, which was not the fortieth, ended with work left in the last six hours.';
