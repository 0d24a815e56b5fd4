create or replace function nightshift.trim_runs(as_of timestamptz default now())
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  trimmed_runs bigint;
begin
  with trimmed as (
    delete from nightshift.runs r
    -- Looked for once, whatever Postgres expects: it may know of no row of a table that has just been filled.
    where r.id = any(array(
      select old.id
      from nightshift.runs old
      cross join nightshift.settings s
      left join nightshift.jobs j on j.name = old.job
      -- least passes over null.
      where old.finished_at < trim_runs.as_of - least(s.ledger_retention, j.runs_kept)
      order by old.finished_at
      limit 1000
    ))
    returning 1
  )
  select count(*) into trimmed_runs from trimmed;
  return trimmed_runs;
end;
$$;

comment on function nightshift.trim_runs is
  'Deletes at most 1,000 finished runs older than settings.ledger_retention (default 90 days), or than what nightshift.jobs says of their job (health-check: 7 days); returns how many. begin_run calls it.';
