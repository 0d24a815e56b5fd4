create or replace function nightshift.work_due(schedule nightshift.schedules)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case
      when exists (
        select from nightshift.runs r
        where r.job = schedule.job and r.status = 'running' and not r.dry_run and r.lease_expires_at > now()
      ) then null
      when s.paused and not j.runs_while_paused then null
      when waiting.id is not null then jsonb_build_object(
        'key', format('%s %s', waiting.id, waiting.attempt), 'resume', jsonb_build_object('runId', waiting.id, 'attempt', waiting.attempt))
      -- What has been due for longer was kept from running by somebody, or has been tried often enough; the next time will come.
      when schedule.due_at > now() - interval '2 hours' and tried.runs = tried.dead and tried.runs < 3 then jsonb_build_object(
        'key', due.key || case when tried.runs > 0 then ' ' || tried.runs + 1 else '' end, 'requestedBy', 'cron ' || schedule.name, 'input', schedule.input)
    end
    from nightshift.settings s
    join nightshift.jobs j on j.name = schedule.job
    cross join lateral (
      select format('cron %s %s', schedule.name, to_char(schedule.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')) as key
    ) due
    -- An isolate that reaches a limit is killed, and another goes on where it ended; but what kills three is looked into first.
    cross join lateral (
      select count(*) as runs, count(*) filter (where r.status = 'lost' or r.status = 'running' and r.lease_expires_at <= now()) as dead
      from nightshift.runs r
      where r.job = schedule.job and r.trigger = 'schedule' and r.idempotency_key in (due.key, due.key || ' 2', due.key || ' 3')
    ) tried
    left join lateral (
      select r.id, r.attempt from nightshift.runs r
      where r.job = schedule.job and r.status = 'continued' and not s.paused and nightshift.waits_to_be_continued(r)
      order by r.started_at desc
      limit 1
    ) waiting on true
  );
end;
$$;

comment on function nightshift.work_due is
  'What a function that a schedule wakes has to do now: {key, resume: {runId, attempt}} for a run that waits to be continued, {key, requestedBy, input} for one that is due, or was due within two hours and has died, at most twice; null for nothing, also while a run of the job is under way or Nightshift is paused.';
