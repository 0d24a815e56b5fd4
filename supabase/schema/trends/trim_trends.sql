create or replace function nightshift.trim_trends(as_of timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  this_day constant timestamptz := date_trunc('day', as_of, 'UTC');
  hours_from constant timestamptz := this_day - interval '7 days';
begin
  insert into nightshift.trend_points as p
    (kind, subject, at, bytes, live_rows, dead_rows, rows_left, connections, duration_ms, newest_oid)
  select h.kind, h.subject, date_trunc('day', h.at, 'UTC'), max(h.bytes), max(h.live_rows), max(h.dead_rows),
    (array_agg(h.rows_left order by h.at desc) filter (where h.rows_left is not null))[1], max(h.connections), max(h.duration_ms), max(h.newest_oid)
  from nightshift.trend_points h
  where h.at < hours_from and h.at <> date_trunc('day', h.at, 'UTC')
  group by 1, 2, 3
  on conflict (kind, subject, at) do update set
    bytes = greatest(p.bytes, excluded.bytes),
    live_rows = greatest(p.live_rows, excluded.live_rows),
    dead_rows = greatest(p.dead_rows, excluded.dead_rows),
    rows_left = coalesce(excluded.rows_left, p.rows_left),
    connections = greatest(p.connections, excluded.connections),
    duration_ms = greatest(p.duration_ms, excluded.duration_ms),
    newest_oid = greatest(p.newest_oid, excluded.newest_oid);
  delete from nightshift.trend_points h
  where (h.at < hours_from and h.at <> date_trunc('day', h.at, 'UTC'))
    or h.at < this_day - (select s.trend_retention from nightshift.settings s);
end;
$$;

comment on function nightshift.trim_trends is
  'Makes one row of each day before the last 7, with the highest figures of its hours (of rows_left: the last), and deletes what is older than settings.trend_retention.';
