-- Health check job_missed: how long ago each job last did its work.
-- Why: a schedule that fires no more fails nowhere; only the silence tells.

create or replace function nightshift.health_job_missed(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    j.job,
    round(extract(epoch from health_job_missed.as_of - coalesce(j.last_success_at, j.declared_at))),
    concat_ws(' ',
      case when s.paused then format('Nightshift is paused%s%s.',
        to_char(s.paused_at at time zone 'UTC', '" since "YYYY-MM-DD HH24:MI" UTC"'), ': ' || s.paused_reason) end,
      case when j.last_success_at is null
        then to_char(j.declared_at at time zone 'UTC',
          '"It has not done its work since its first policy was declared, "YYYY-MM-DD HH24:MI" UTC."')
        else to_char(j.last_success_at at time zone 'UTC', '"It last ended with its work done "YYYY-MM-DD HH24:MI" UTC."') end,
      'The thresholds are those of a job for every night; for one that runs once a week, say, set others of its own.'
    ),
    case when s.paused then 'select nightshift.unpause();' else format('-- npm run nightshift -- run %s', j.job) end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_job_missed.as_of) j
  cross join nightshift.settings s
  where j.declared_at is not null
    -- A job of policies that has none any more has nothing to do; another is missed once it has worked.
    or j.last_success_at is not null
      and not exists (select 1 from nightshift.jobs d where d.name = j.job and d.policies is not null);
end;
$$;

comment on function nightshift.health_job_missed is
  'Seconds since a job last did its work as far as it could, or, when it never did, since its oldest policy was declared. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'job_missed',
  title => 'Time since each job did its work',
  healthy => 'No job is late.',
  why => 'A job that nothing starts any more fails nowhere, and what it keeps in order grows, ages and runs out.',
  -- A night and two hours of slack; two nights and two hours.
  unit => 'seconds', warning => 93600, critical => 180000, quick => true
);
