create or replace function nightshift.current_troubles(as_of timestamptz)
returns table (key text, kind text, subject text, text text, opens boolean, checks text[])
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct on (t.key) t.*
  from (
    select 'failed ' || s.job, 'failed', s.job, case
        when last.status = 'lost' then 'The last run died.'
        -- The message of a defect comes from wherever it was thrown, and may say anything.
        when last.error ->> 'code' = 'NS500' or last.error ->> 'message' is null then 'The last run failed; the ledger has the reason.'
        else format('The last run failed: %s.', rtrim(left(last.error ->> 'message', 500), '.'))
      end, true, null::text[]
    from nightshift.job_states(current_troubles.as_of) s
    join nightshift.runs l on l.id = s.last_run
    cross join lateral nightshift.run_as_of(l, current_troubles.as_of) last
    -- The health check runs again in minutes, so one failure is no news.
    where s.failed_in_row + s.lost_in_row >= case when s.job = 'health-check' then 2 else 1 end
    union all
    -- While the next run is under way it is not known to be over; nor to have begun, while the same one goes on.
    select 'left ' || s.job, 'left', s.job, case
        when (last.report ->> 'rowsLeft')::bigint > 0
          then format('The last run left %s that are due.', nightshift.rows_in_words((last.report ->> 'rowsLeft')::bigint))
        else 'The last run left something undone; its report says what and why.'
      end, last.status = 'partial' or last.status = 'continued' and last.finished_at < current_troubles.as_of - interval '2 hours', null
    from nightshift.job_states(current_troubles.as_of) s
    join nightshift.runs last on last.id = s.last_run
    where s.partial_in_row > 0 and s.failed_in_row = 0 and s.lost_in_row = 0 and s.job <> 'health-check'
    union all
    -- What a check could not look at this time is not known to be over, as above.
    select 'missed ' || f.subject, 'missed', f.subject, 'It has not done its work for longer than it should be.', f.level <> 'unknown', array['job_missed', 'late_schedules']
    from nightshift.health_findings f
    where f.check_name in ('job_missed', 'late_schedules') and f.level in ('warning', 'critical', 'unknown')
    union all
    select format('critical %s %s', f.check_name, f.subject), 'critical', f.subject, c.title || '.', f.level = 'critical', array[f.check_name]
    from nightshift.health_findings f
    join nightshift.health_checks c on c.name = f.check_name
    where f.level in ('critical', 'unknown') and f.check_name not in ('job_missed', 'jobs_failing', 'jobs_lost', 'jobs_partial', 'late_schedules')
  ) t(key, kind, subject, text, opens, checks)
  order by t.key, t.opens desc;
$$;

comment on function nightshift.current_troubles is
  'What people are told of, as the ledger and the last health checks have it: jobs whose last run failed or died, or left something undone, jobs that are missed, critical findings. opens: it is news; else it only is not over yet. checks: those that say when it is over; null: a run does.';
