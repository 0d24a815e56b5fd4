create or replace function nightshift.interval_start(every interval, at timestamp)
returns timestamp
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  months integer := extract(year from every) * 12 + extract(month from every);
begin
  if months = 0 then
    return date_bin(every, at, '2001-01-01');
  end if;
  return timestamp '2001-01-01' + make_interval(months => months * floor(
    (extract(year from at) * 12 + extract(month from at) - 24013) / months
  )::integer);
end;
$$;

comment on function nightshift.interval_start is
  'The start of the interval of the grid that holds a finite time, in UTC: weeks begin on Monday, quarters and years as in the calendar.';
