create or replace function nightshift.cron_jobs()
returns table (id bigint, name text, active boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- get_health has it off, and its owner may be one that row level security applies to.
set row_security = on
as $$
begin
  if to_regclass('cron.job') is not null then
    return query execute format(
      'select j.jobid, j.jobname::text, j.active from %s j where j.username = current_user
        and (starts_with(j.jobname::text, ''nightshift schedule '') or j.jobname::text in (''nightshift wakes'', ''nightshift watch''))',
      nightshift.trusted_name('cron.job'));
  end if;
end;
$$;

comment on function nightshift.cron_jobs is
  'Our jobs of pg_cron: "nightshift schedule <name>" marks a schedule as due, "nightshift wakes" calls send_wakes, "nightshift watch" calls watch. None without pg_cron. Errors: NS422 someone else could have put another relation in the place of cron.job.';
