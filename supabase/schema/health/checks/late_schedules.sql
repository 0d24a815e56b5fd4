-- Health check late_schedules: for how long a schedule of Edge Functions has been due without a run that did its work.
-- Why: a wake that is lost, refused or answered by nobody fails nowhere; only what the schedule promised tells.

create or replace function nightshift.health_late_schedules(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    s.name,
    case when coalesce(nightshift.served_at(s), '-infinity') < s.waiting_since
      then round(extract(epoch from health_late_schedules.as_of - s.waiting_since)) else 0 end,
    concat_ws(' ',
      case when c.active is not true then 'pg_cron does not start it.'
        when stopped.since is not null then format('pg_cron has started nothing since %s.', stopped.since) end,
      case when settings.paused then 'Nightshift is paused.' end,
      case when s.posts > 0 then format('Wakes for its last work: %s. Answer to the last: %s.', s.posts, coalesce(s.answer, 'none yet')) end
    ),
    case
      when c.active is not true then format('select nightshift.schedule_with_cron(name => %L);', s.name)
      when stopped.since is not null then 'select * from cron.job_run_details order by start_time desc nulls last limit 10;'
      when settings.paused then 'select nightshift.unpause();'
      else 'select jsonb_pretty(nightshift.list_schedules());'
    end,
    -- One that nothing starts is never due, and so never late.
    started.never, started.never, started.never,
    null::text
  from nightshift.schedules s
  cross join nightshift.settings settings
  left join nightshift.cron_jobs() c on c.name = 'nightshift schedule ' || s.name
  -- It may be that it cannot log in, or that its process is not there.
  left join (
    select h.ticked_at as since from nightshift.home h where h.ticked_at < health_late_schedules.as_of - interval '15 minutes'
  ) stopped on true
  cross join lateral (select case when c.active is not true or stopped.since is not null then 0::numeric end) started(never);
end;
$$;

comment on function nightshift.health_late_schedules is
  'Seconds since a schedule was first due after its last run that did its work; critical at any value when pg_cron does not have it, or has started nothing for a quarter of an hour. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'late_schedules',
  title => 'Schedules whose time has come and gone',
  healthy => 'Every schedule had its run.',
  why => 'A function that is woken in vain reports nothing, and its work is left until somebody looks.',
  -- A wake is repeated for two hours.
  unit => 'seconds', warning => 3600, critical => 7200, quick => true
);
