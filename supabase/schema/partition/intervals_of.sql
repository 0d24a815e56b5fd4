create or replace function nightshift.intervals_of(every interval, period tsmultirange)
returns table (lower timestamp, upper timestamp)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select greatest(lower(p.period), s.start), least(upper(p.period), s.start + intervals_of.every)
  from unnest(intervals_of.period) p(period)
  cross join lateral generate_series(
    nightshift.interval_start(intervals_of.every, lower(p.period)), upper(p.period), intervals_of.every
  ) s(start)
  where s.start < upper(p.period)
  order by 1;
end;
$$;

comment on function nightshift.intervals_of is 'Cuts what is missing along the grid of a policy: the bounds of the partitions to make.';
