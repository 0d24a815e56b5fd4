create or replace function nightshift.status_jobs(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('total', count(*), 'items', coalesce(jsonb_agg(jsonb_build_object(
    'job', s.job,
    'purpose', coalesce(j.purpose, ''),
    'state', case
      when s.lost_in_row > 0 then 'lost'
      when last.status = 'running' then 'running'
      when last.id is null and s.declared_at is null and j.policies is not null then 'notUsed'
      when last.id is null then 'neverRan'
      when s.failed_in_row > 0 then 'failed'
      when m.check_name is not null then 'missed'
      when last.status = 'interrupted' then 'interrupted'
      when s.partial_in_row > 0 then 'partial'
      else 'ok'
    end,
    'schedules', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', c.name, 'cron', c.cron, 'timeZone', coalesce(current_setting('cron.timezone', true), 'GMT')
      ) order by c.name), '[]')
      from nightshift.schedules c
      where c.job = s.job
    ),
    'lastRun', case when last.id is not null then nightshift.status_run(last) end,
    'lastError', case when last.error ->> 'message' is not null
      then jsonb_build_object('code', last.error ->> 'code', 'message', last.error ->> 'message', 'hint', last.error ->> 'hint') end,
    'lastSuccessAt', s.last_success_at,
    'usualDurationMs', round(s.usual_duration_ms),
    'failedInRow', s.failed_in_row,
    'partialInRow', s.partial_in_row,
    'lostInRow', s.lost_in_row,
    'runs', (
      select coalesce(jsonb_agg(nightshift.status_run(nightshift.run_as_of(r, status_jobs.as_of)) order by r.started_at desc), '[]')
      from (
        select n.* from nightshift.runs n
        where n.job = s.job and n.started_at <= status_jobs.as_of
        order by n.started_at desc
        limit 30
      ) r
    )
  ) order by s.job), '[]'))
  from nightshift.job_states(status_jobs.as_of) s
  left join nightshift.jobs j on j.name = s.job
  left join nightshift.runs l on l.id = s.last_run
  left join lateral nightshift.run_as_of(l, status_jobs.as_of) last on l.id is not null
  left join nightshift.health_findings m
    on m.check_name = 'job_missed' and m.subject = s.job and m.level in ('warning', 'critical');
$$;

comment on function nightshift.status_jobs is
  'The section jobs of the snapshot: each job with its state in a word, its schedules where pg_cron starts it, its last run, and its last 30.';
