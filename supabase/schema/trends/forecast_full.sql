create or replace function nightshift.forecast_full(as_of timestamptz)
returns table (
  state text, limit_bytes bigint, limit_kind text, used_bytes bigint, wal_bytes bigint, used_percent numeric,
  points integer, earliest_days integer, latest_days integer
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  growth record;
  bytes bigint;
  days_7 double precision;
  days_28 double precision;
begin
  select s.size_limit_bytes, s.size_limit_kind into limit_bytes, limit_kind from nightshift.settings s;
  select p.bytes into bytes
  from nightshift.trend_points p
  where p.kind = 'database' and p.subject = '' and p.at <= as_of and p.bytes is not null
  order by p.at desc
  limit 1;
  select g.* into growth from nightshift.growth_of('database', '', as_of) g;
  points := growth.points;
  if limit_kind = 'disk' then
    wal_bytes := nightshift.wal_bytes();
  end if;
  used_bytes := bytes + coalesce(wal_bytes, 0);
  used_percent := round(100.0 * used_bytes / limit_bytes, 1);
  -- What takes more than a year is not foreseen by a month.
  days_7 := case when growth.bytes_per_day_7 > 0 then (limit_bytes - used_bytes) / growth.bytes_per_day_7 end;
  days_28 := case when growth.bytes_per_day_28 > 0 then (limit_bytes - used_bytes) / growth.bytes_per_day_28 end;
  days_7 := case when days_7 <= 365 then days_7 end;
  days_28 := case when days_28 <= 365 then days_28 end;
  state := case
    when limit_bytes is null then 'no limit'
    when used_bytes is null then 'no history'
    when used_percent >= 100 then 'full'
    when used_percent < 60 then 'room'
    when points < 14 then 'no history'
    when days_7 is null and days_28 is null then 'not growing'
    else 'growing'
  end;
  if state = 'full' then
    earliest_days := 0;
    latest_days := 0;
  elsif state = 'growing' then
    earliest_days := floor(least(days_7, days_28));
    latest_days := floor(case
      when growth.bytes_per_day_7 is null then days_28
      when days_7 is not null and days_28 is not null then greatest(days_7, days_28)
    end);
  end if;
  return next;
end;
$$;

comment on function nightshift.forecast_full is
  'When the database reaches settings.size_limit_bytes, if it goes on in a straight line, in one row. state: no limit, no history (fewer than 14 whole days), room (below 60%), not growing (or not within a year), growing, full. earliest_days to latest_days are what growth_of says of 7 and of 28 days; latest_days is null where one of them does not grow. Of a disk the write-ahead log takes its part: used_bytes is both.';
