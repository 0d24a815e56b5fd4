-- The dead man's switch: what is silent tells nobody, so something else has to look.

create or replace function nightshift.watch()
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  home nightshift.home;
  troubles text[];
  missing text[];
  message text;
  delivered boolean;
begin
  -- A row a minute for our own.
  perform nightshift.forget_starts(array(select c.id from nightshift.cron_jobs() c), now() - interval '1 day');

  select h.* into home from nightshift.home h for update;
  -- Where the project took our wakes before and refuses them now, this is a copy of its database, in which nothing is to run.
  if home.webhook_url is null or home.accepted_at is not null and home.refused_at is not null then
    return;
  end if;
  -- The functions tell the same, and sooner; when they are silent, this is who is left.
  if home.functions_tell_at > now() - interval '2 hours' then
    if home.told is not null then
      update nightshift.home h
      set told = null, told_at = now(), told_request = nightshift.http_post(home.webhook_url, jsonb_build_object('text',
        format('The functions of %s run, and tell by themselves what is wrong.', home.project_url)));
    end if;
    return;
  end if;
  select coalesce(string_to_array(
    string_agg(format('- %s: %s', c.value ->> 'title', f.value ->> 'subject'), E'\n' order by c.value ->> 'title', f.value ->> 'subject'), E'\n'
  ), '{}')
  into troubles
  from jsonb_array_elements(nightshift.get_health(quick => true) -> 'checks') c
  cross join lateral jsonb_array_elements(c.value -> 'findings') f
  where f.value ->> 'level' = 'critical';
  missing := array(select unnest(string_to_array(home.told, E'\n')) except select unnest(troubles));
  delivered := coalesce((nightshift.http_answer(home.told_request, home.told_at)).status between 200 and 299, false);
  -- A value about its threshold comes and goes: what is gone is over when the next look does not find it either.
  if home.told is not null and troubles <@ string_to_array(home.told, E'\n') and not missing && coalesce(home.gone, '{}')
    and (troubles = '{}' or delivered and home.told_at >= now() - interval '1 day')
    or home.told is null and troubles = '{}'
  then
    update nightshift.home h set gone = missing where h.gone is distinct from missing;
    return;
  end if;

  message := case
    when troubles = '{}' then format('Nightshift of %s finds nothing critical any more.', home.project_url)
    else format(E'Nightshift of %s has found what is critical:\n%s\nWhat to do: npm run nightshift -- health', home.project_url, array_to_string(troubles, E'\n'))
  end;
  update nightshift.home h
  set told = nullif(array_to_string(troubles, E'\n'), ''), gone = null, told_at = now(), told_request = nightshift.http_post(home.webhook_url, jsonb_build_object('text', message));
end;
$$;

comment on function nightshift.watch is
  'What pg_cron calls every hour. Posts to the webhook what the quick health checks find critical, among it schedules that are late: when something is new, or was told and is gone in two looks, when the last message was not delivered, and once a day while it lasts. Says nothing while functions with a webhook of their own do (see take_troubles), but for that; and nothing in a copy of the database, once the project has refused a wake of it. Deletes what cron.job_run_details keeps of our jobs for longer than a day.';
