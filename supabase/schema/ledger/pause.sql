create or replace function nightshift.pause(reason text default null)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.settings s
  set paused = true, paused_reason = pause.reason, paused_at = now()
  where s.singleton;
$$;

comment on function nightshift.pause is
  'Stops every job: a run that would begin is skipped, and one under way ends as interrupted before its next batch, view or partition. Idempotent.';
