create or replace function nightshift.unpause()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.settings s
  set paused = false, paused_reason = null, paused_at = null
  where s.singleton;
$$;

comment on function nightshift.unpause is 'Lets jobs run again after nightshift.pause(). Idempotent.';
