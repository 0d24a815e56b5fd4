-- Health check paused: for how long nothing has been kept in order, because someone said so.
-- Why: a pause is for an hour, and is forgotten for a month.

create or replace function nightshift.health_paused(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    'all jobs', greatest(round(extract(epoch from health_paused.as_of - s.paused_at)), 0),
    format('since %s UTC: %s', to_char(s.paused_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(s.paused_reason, 'no reason given')),
    'select nightshift.unpause();',
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.settings s
  where s.paused;
end;
$$;

comment on function nightshift.health_paused is
  'Seconds since nightshift.pause() was called; nothing while jobs may run. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'paused',
  title => 'Pause of all jobs',
  healthy => 'Jobs may run.',
  why => 'While it lasts nothing is purged, refreshed or partitioned, and backlogs grow.',
  -- A pause over night is forgotten, as a rule.
  unit => 'seconds', info => 0, warning => 86400, quick => true
);
