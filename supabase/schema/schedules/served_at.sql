create or replace function nightshift.served_at(schedule nightshift.schedules)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select max(case r.status when 'running' then now() else r.finished_at end)
  from nightshift.runs r
  where r.job = schedule.job and r.trigger = 'schedule' and r.requested_by = 'cron ' || schedule.name
    and (not r.dry_run or schedule.input @> '{"dryRun": true}')
    and (r.status in ('succeeded', 'partial', 'continued') or r.status = 'running' and r.lease_expires_at > now());
$$;

comment on function nightshift.served_at is
  'When a run of a schedule last did its work as far as it could, which is now while one is under way; null: never.';
