create or replace function nightshift.unpause(requested_by text default null)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.settings s
  set paused = false, paused_reason = null, paused_at = null, unpaused_at = now(), unpaused_by = unpause.requested_by
  where s.singleton and s.paused;
$$;

comment on function nightshift.unpause is 'Lets jobs run again after nightshift.pause(). requested_by: who, for whoever asks later. Idempotent.';
