create or replace function nightshift.consume_wake(nonce uuid, job text, project_url text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
  schedule nightshift.schedules;
  home nightshift.home;
begin
  select s.* into schedule from nightshift.schedules s
  where s.nonce = consume_wake.nonce and s.job = consume_wake.job
  for update;
  if not found then
    raise exception using
      errcode = 'NS421',
      message = 'The database of this project has not sent that wake',
      detail = 'A copy of the project sends it, or it was used before, or another has been sent since. Nothing was run.',
      hint = 'If a copy sends it, say there: select nightshift.unschedule_with_cron();';
  end if;
  select h.* into home from nightshift.home h;
  if home.project_url is distinct from lower(consume_wake.project_url) then
    raise exception using
      errcode = 'NS421',
      message = format('The schedules are those of %s, and the function is one of %s', home.project_url, consume_wake.project_url),
      detail = 'Nothing was run.',
      hint = format('select nightshift.unschedule_with_cron(); select nightshift.schedule_with_cron(%L);', consume_wake.project_url);
  end if;
  update nightshift.schedules s set nonce = null where s.name = schedule.name;
  update nightshift.home h set accepted_at = now(), refused_at = null;
  return jsonb_build_object('work', nightshift.work_due(schedule));
end;
$$;

comment on function nightshift.consume_wake is
  'What an Edge Function that was woken asks its own database: {work: what it has to do, see work_due, or null}. nonce: of the wake, which can be used once. project_url: the SUPABASE_URL of the function, which must be the one that the schedules were made with. Errors: NS421 the wake is not of this database or not of this project; nothing was changed.';
