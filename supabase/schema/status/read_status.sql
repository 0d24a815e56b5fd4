create or replace function nightshift.read_status()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '2s'
set timezone = 'UTC'
as $$
  select s.document || jsonb_build_object(
    'readAt', clock_timestamp(),
    'ageSeconds', greatest(extract(epoch from clock_timestamp() - s.taken_at), 0)::bigint,
    'isOld', clock_timestamp() > (s.document ->> 'oldAfter')::timestamptz,
    'database', s.document -> 'database' || jsonb_build_object(
      'readOnly', pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean
    ),
    'paused', (
      select jsonb_build_object('since', g.paused_at, 'reason', g.paused_reason) from nightshift.settings g where g.paused
    ),
    'pauseEnded', (
      select jsonb_build_object('at', g.unpaused_at, 'by', g.unpaused_by) from nightshift.settings g where g.unpaused_at is not null
    )
  )
  from nightshift.status s;
$$;

comment on function nightshift.read_status is
  'The snapshot that the last health check took, see describe_status and take_status; with readAt (now), ageSeconds, isOld (the next should long have been taken), and what is so now: database.readOnly (nothing can be written), paused and pauseEnded (who ended the last pause, and when). It reads that row and the settings, and computes nothing. Null when no health check has taken one yet.';
