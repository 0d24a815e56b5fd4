create or replace function nightshift.list_schedules()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'name', s.name,
    'job', s.job,
    'cron', s.cron,
    'timeZone', coalesce(current_setting('cron.timezone', true), 'GMT'),
    'input', s.input,
    'projectUrl', h.project_url,
    'active', coalesce(c.active, false),
    'dueAt', s.due_at,
    'waitingSince', case when coalesce(nightshift.served_at(s), '-infinity') < s.waiting_since then s.waiting_since end,
    'servedAt', nightshift.served_at(s),
    'posts', s.posts,
    'postedAt', s.posted_at,
    'answer', s.answer
  ) order by s.name), '[]')
  from nightshift.schedules s
  cross join nightshift.home h
  left join nightshift.cron_jobs() c on c.name = 'nightshift schedule ' || s.name;
$$;

comment on function nightshift.list_schedules is
  'The schedules of Edge Functions, as one JSON array: name, job, cron with its timeZone, input, projectUrl, active (whether pg_cron has it), dueAt (last), waitingSince (no run of it has done its work since it was due then, or null), servedAt (when one last did), posts (how often the function was woken for its work), postedAt and answer (of the last wake).';
