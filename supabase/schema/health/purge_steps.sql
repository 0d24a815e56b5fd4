create or replace function nightshift.purge_steps(as_of timestamptz, scheduled boolean, max_runs integer)
returns table (relation text, place bigint, started_at timestamptz, step jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select s.step ->> 'relation', row_number() over (partition by s.step ->> 'relation' order by r.started_at desc),
    r.started_at, s.step
  from (
    select n.started_at, n.report
    from nightshift.runs n
    where n.job = (select j.name from nightshift.jobs j where j.policies = 'nightshift.retention_policies'::regclass)
      and n.status in ('succeeded', 'partial', 'failed', 'continued') and not n.dry_run
      and n.report is not null and n.finished_at <= purge_steps.as_of
      and (n.trigger = 'schedule' or not purge_steps.scheduled)
    order by n.started_at desc
    limit purge_steps.max_runs
  ) r
  -- Of a table that could not even be counted the report knows nothing.
  cross join lateral jsonb_path_query(r.report, '$.steps[*] ? (!(exists (@.error) && @.dueRows == 0))') s(step);
end;
$$;

comment on function nightshift.purge_steps is
  'What the reports of the last max_runs finished real purges say of each table; place 1 is the newest. scheduled: only those that a schedule began.';
