create or replace function nightshift.daily_points(kind text, subject text, as_of timestamptz, days integer)
returns table (day date, bytes bigint, live_rows bigint, dead_rows bigint, rows_left bigint, connections integer, duration_ms bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select (p.at at time zone 'UTC')::date, max(p.bytes), max(p.live_rows), max(p.dead_rows),
    (array_agg(p.rows_left order by p.at desc) filter (where p.rows_left is not null))[1], max(p.connections), max(p.duration_ms)
  from nightshift.trend_points p
  where p.kind = daily_points.kind and p.subject = daily_points.subject and p.at <= daily_points.as_of
    and p.at >= date_trunc('day', daily_points.as_of, 'UTC') - make_interval(days => daily_points.days - 1)
  group by 1
  order by 1;
end;
$$;

comment on function nightshift.daily_points is
  'The highest figures of each of the last days (UTC, the present one included) of a subject of nightshift.trend_points, oldest first; of rows_left the last one of the day, since it is about the purge of that night. A day without any has no row.';
