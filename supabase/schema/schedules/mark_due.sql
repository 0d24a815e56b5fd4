create or replace function nightshift.mark_due(schedule_name text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update nightshift.schedules s
  set
    due_at = case when w.has_work then date_trunc('minute', now()) end,
    waiting_since = case when w.has_work
      then case when nightshift.served_at(s) >= s.waiting_since then date_trunc('minute', now())
        else coalesce(s.waiting_since, date_trunc('minute', now())) end end
  from (
    select j.name as job, j.policies is null or nightshift.declared_since(j) is not null as has_work from nightshift.jobs j
  ) w
  where s.name = schedule_name and w.job = s.job;
$$;

comment on function nightshift.mark_due is
  'What pg_cron calls when the time of a schedule has come. A job of policies that has none has nothing to do, and is not woken.';
