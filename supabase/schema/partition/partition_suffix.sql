create or replace function nightshift.partition_suffix(every interval, lower timestamp)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select to_char(partition_suffix.lower, case
    when e.months > 0 and e.months % 12 = 0 and partition_suffix.lower = date_trunc('year', partition_suffix.lower)
      then 'YYYY'
    when e.months = 3 and partition_suffix.lower = date_trunc('quarter', partition_suffix.lower) then 'YYYY"_q"Q'
    when e.months > 0 and partition_suffix.lower = date_trunc('month', partition_suffix.lower) then 'YYYY_MM'
    when e.days > 0 and e.days % 7 = 0 and partition_suffix.lower = date_trunc('week', partition_suffix.lower)
      then 'IYYY"_w"IW'
    when e.months + e.days > 0 and partition_suffix.lower = date_trunc('day', partition_suffix.lower) then 'YYYY_MM_DD'
    when partition_suffix.lower = date_trunc('hour', partition_suffix.lower) then 'YYYY_MM_DD_HH24'
    else 'YYYY_MM_DD_HH24MISS'
  end)
  from (
    select
      (extract(year from partition_suffix.every) * 12 + extract(month from partition_suffix.every))::integer,
      extract(day from partition_suffix.every)::integer
  ) e(months, days);
$$;

comment on function nightshift.partition_suffix is
  'What a new partition is named after the table and an underscore, by its start: 2026, 2026_q1, 2026_01, 2026_w05 (ISO week), 2026_01_31, 2026_01_31_06; finer than the policy where the start is not on its grid.';
