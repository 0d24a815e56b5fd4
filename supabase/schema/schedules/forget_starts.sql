create or replace function nightshift.forget_starts(cron_jobs bigint[], before timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('cron.job_run_details') is not null then
    execute format('delete from %s d where d.jobid = any($1) and coalesce(d.end_time, d.start_time) < $2',
      nightshift.trusted_name('cron.job_run_details'))
    using cron_jobs, before;
  end if;
end;
$$;

comment on function nightshift.forget_starts is
  'Deletes what pg_cron has noted of the starts of these jobs before a time, which it never does itself.';
