create or replace function nightshift.unschedule_with_cron(name text default null)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  removed integer;
  cron_job record;
begin
  delete from nightshift.schedules s where s.name = coalesce(unschedule_with_cron.name, s.name);
  get diagnostics removed = row_count;
  if removed = 0 and unschedule_with_cron.name is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schedule %L', unschedule_with_cron.name),
      detail = 'Nothing was changed.',
      hint = 'Those that there are: select nightshift.list_schedules();';
  end if;
  delete from nightshift.home where not exists (select from nightshift.schedules);
  for cron_job in
    select c.id from nightshift.cron_jobs() c
    where not exists (
      select from nightshift.schedules s
      where c.name = 'nightshift schedule ' || s.name or not starts_with(c.name, 'nightshift schedule ')
    )
  loop
    execute format('select %s($1)', nightshift.extension_function('pg_cron', 'unschedule', 'bigint')) using cron_job.id;
    perform nightshift.forget_starts(array[cron_job.id], 'infinity');
  end loop;
  return removed;
end;
$$;

comment on function nightshift.unschedule_with_cron is
  'Takes a schedule away, with its job of pg_cron; without a name all of them, with the project and the webhook. A run under way goes on. Returns how many there were. For the owner of Nightshift. Errors: NS404.';
