-- Health check jobs_failing: how many runs of each job have failed, one after the other.
-- Why: one failure may be a bad night; several are a fault that stays.

create or replace function nightshift.health_jobs_failing(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    j.job,
    j.failed_in_row::numeric,
    case when j.failed_in_row = 0 then 'The last one did not fail.' else format('%s in a row. The last, of %s UTC, failed with %s: %s',
      j.failed_in_row, to_char(f.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), f.error ->> 'code',
      concat_ws('. ', f.error ->> 'message', f.error ->> 'detail', f.error ->> 'hint')) end,
    format('-- npm run nightshift -- run %s --dry-run', j.job),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_failing.as_of) j
  left join lateral (
    select r.started_at, r.error
    from nightshift.runs r
    where j.failed_in_row > 0 and r.job = j.job and r.status = 'failed' and not r.dry_run and not r.input ?| array['only', 'reindex']
      and r.started_at <= health_jobs_failing.as_of
    order by r.started_at desc
    limit 1
  ) f on true;
end;
$$;

comment on function nightshift.health_jobs_failing is
  'Failed runs of a job since the last one that did its work. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_failing',
  title => 'Jobs that fail',
  healthy => 'No job failed when it last ran.',
  why => 'A run that failed did nothing, or refused to; the next one fails likewise until someone looks.',
  unit => 'times', warning => 1, critical => 3, quick => true
);
