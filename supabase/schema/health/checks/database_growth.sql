-- Health check database_growth: by how much this database has grown in a week.
-- Why: what grows by half in a week is a job that has gone wrong, or a disk that will be full before anyone looks.

create or replace function nightshift.health_database_growth(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  this_day date := (as_of at time zone 'UTC')::date;
  -- Less is no growth, however small the database was.
  least_bytes constant numeric := 100 * 1024 * 1024;
  health_check nightshift.health_checks;
  past record;
  bytes numeric;
  days integer;
  least_percent numeric;
begin
  select c.* into strict health_check from nightshift.health_checks c where c.name = 'database_growth';
  select p.day, p.bytes into past
  from nightshift.daily_points('database', '', as_of, 60) p
  -- From the growth of a day or two nothing follows for a week: it may be one import.
  where p.day <= this_day - 3 and p.bytes is not null
  -- The newest that is at least a week old, or else the oldest: either way the one next to a week.
  order by p.day > this_day - 7, abs(this_day - p.day - 7)
  limit 1;
  if not found then
    return query select
      format('database %I', current_database()), null::numeric, 'Not known yet: its size has not been noted for three days',
      null::text, null::numeric, null::numeric, null::numeric, null::text;
    return;
  end if;

  select p.bytes into bytes from nightshift.daily_points('database', '', as_of, 1) p;
  bytes := coalesce(bytes, pg_database_size(current_database()));
  days := this_day - past.day;
  least_percent := round(least_bytes / past.bytes * 100 * 7 / days, 1);
  return query select
    format('database %I', current_database()),
    round((bytes - past.bytes) / past.bytes * 100 * 7 / days, 1),
    format('from %s on %s to %s', pg_size_pretty(past.bytes), past.day, pg_size_pretty(bytes))
      || case when days <> 7 then format('; in %s days, extrapolated to 7', days) else '' end,
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    greatest(health_check.info, least_percent), greatest(health_check.warning, least_percent), null::numeric, null::text;
end;
$$;

comment on function nightshift.health_database_growth is
  'Growth of this database in 7 days in percent, by the highest size of each day; thresholds are never below what is 100 MB. Null until it has been noted for three days. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'database_growth',
  title => 'Growth of the database in a week',
  healthy => 'The database grows at a pace that leaves time.',
  why => 'What grows this fast is a job that has gone wrong, or a disk that is full before anyone looks.',
  unit => 'percent', info => 20, warning => 50
);
