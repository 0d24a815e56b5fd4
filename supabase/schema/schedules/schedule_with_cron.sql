-- Has Supabase Cron start the Edge Functions: no key is needed for that, and none is stored.

create or replace function nightshift.schedule_with_cron(
  project_url text default null,
  name text default null,
  cron text default null,
  job text default null,
  input jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  url constant text := lower(rtrim(btrim(schedule_with_cron.project_url), '/'));
  home nightshift.home;
  wanted nightshift.schedules;
  schedule nightshift.schedules;
begin
  perform nightshift.extension_function('pg_net', 'http_post', 'text, jsonb, jsonb, jsonb, integer');
  if url !~ '^https?://[^/@?#[:space:]]+$' or url is null and not exists (select from nightshift.home) then
    raise exception using
      errcode = 'NS422',
      message = 'The URL of the project is needed, without a path',
      detail = 'Nothing was changed.',
      hint = 'It is the SUPABASE_URL of its Edge Functions: select nightshift.schedule_with_cron(''https://abcd.supabase.co'');';
  end if;
  insert into nightshift.home (project_url) select url where url is not null on conflict do nothing;
  select h.* into home from nightshift.home h;
  if url <> home.project_url then
    raise exception using
      errcode = 'NS422',
      message = format('The schedules are those of %s', home.project_url),
      detail = 'This database is a copy of that project, or its URL has changed. Nothing was changed.',
      hint = format('select nightshift.unschedule_with_cron(); select nightshift.schedule_with_cron(%L);', url);
  end if;

  if schedule_with_cron.name is null then
    if num_nonnulls(schedule_with_cron.cron, schedule_with_cron.job, schedule_with_cron.input) > 0 then
      raise exception using
        errcode = 'NS422',
        message = 'The schedule needs a name',
        detail = 'Nothing was changed.',
        hint = 'Give it with name => ''...''; the name of one that is there changes that one.';
    end if;
    insert into nightshift.schedules (name, job, cron, input)
    select d.name, d.job, d.cron, d.input from nightshift.default_schedules() d
    on conflict do nothing;
  else
    select schedule_with_cron.name, coalesce(schedule_with_cron.job, s.job, d.job), coalesce(schedule_with_cron.cron, s.cron, d.cron),
      coalesce(schedule_with_cron.input, s.input, d.input, '{}')
    into wanted.name, wanted.job, wanted.cron, wanted.input
    from (select) one
    left join nightshift.schedules s on s.name = schedule_with_cron.name
    left join nightshift.default_schedules() d on d.name = schedule_with_cron.name;
    if wanted.name = '' or wanted.cron is null or not exists (select from nightshift.jobs j where j.name = wanted.job) or jsonb_typeof(wanted.input) <> 'object' then
      raise exception using
        errcode = 'NS422',
        message = format('The schedule %L needs a name, a time, a job that there is, and an object as input', wanted.name),
        detail = 'Nothing was changed.',
        hint = format('Give cron => ''0 2 * * *'', job => one of %s, input => ''{}''.',
          (select string_agg(quote_literal(j.name), ', ' order by j.name) from nightshift.jobs j));
    end if;
    insert into nightshift.schedules as s (name, job, cron, input) values (wanted.name, wanted.job, wanted.cron, wanted.input)
    on conflict on constraint schedules_pkey do update set (job, cron, input) = (excluded.job, excluded.cron, excluded.input);
  end if;

  for schedule in select s.* from nightshift.schedules s order by s.name loop
    perform nightshift.set_cron_job(
      'nightshift schedule ' || schedule.name, schedule.cron, format('select nightshift.mark_due(%L)', schedule.name));
  end loop;
  perform nightshift.set_cron_job('nightshift wakes', '* * * * *', 'select nightshift.send_wakes()');
  perform nightshift.set_cron_job('nightshift watch', '7 * * * *', 'select nightshift.watch()');
  return nightshift.list_schedules();
end;
$$;

comment on function nightshift.schedule_with_cron is
  'Has pg_cron and pg_net start the Edge Functions of a project. project_url: its SUPABASE_URL, like https://abcd.supabase.co; it can be left out later, and cannot be changed while there are schedules. With nothing else, makes the default schedules that are not there. name: makes or changes this one alone. cron: five fields, in the time zone of pg_cron, which is GMT. job and input: what it runs; by default as the schedule of that name has them, or {}. Idempotent. Returns list_schedules(). For the owner of Nightshift. Errors, nothing changed: NS404 pg_cron or pg_net is not there, NS422.';
