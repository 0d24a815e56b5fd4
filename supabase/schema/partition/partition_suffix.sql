create or replace function nightshift.partition_suffix(every interval, lower timestamp)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  months integer := extract(year from every) * 12 + extract(month from every);
  days integer := extract(day from every);
begin
  return to_char(lower, case
    when months > 0 and months % 12 = 0 and lower = date_trunc('year', lower) then 'YYYY'
    when months = 3 and lower = date_trunc('quarter', lower) then 'YYYY"_q"Q'
    when months > 0 and lower = date_trunc('month', lower) then 'YYYY_MM'
    when days > 0 and days % 7 = 0 and lower = date_trunc('week', lower) then 'IYYY"_w"IW'
    when months + days > 0 and lower = date_trunc('day', lower) then 'YYYY_MM_DD'
    when lower = date_trunc('hour', lower) then 'YYYY_MM_DD_HH24'
    else 'YYYY_MM_DD_HH24MISS'
  end);
end;
$$;

comment on function nightshift.partition_suffix is
  'What a new partition is named after the table and an underscore, by its start: 2026, 2026_q1, 2026_01, 2026_w05 (ISO week), 2026_01_31, 2026_01_31_06; finer than the policy where the start is not on its grid.';
