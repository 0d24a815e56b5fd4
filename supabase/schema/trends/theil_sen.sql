-- plpgsql, as whatever is called for each table: an SQL function would be planned in each call.

create or replace function nightshift.theil_sen(days date[], sizes double precision[])
returns double precision
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with point as (
      select p.day, p.size from unnest(theil_sen.days, theil_sen.sizes) p(day, size)
    )
    select percentile_cont(0.5) within group (order by (later.size - earlier.size) / (later.day - earlier.day))
    from point earlier
    join point later on later.day > earlier.day
  );
end;
$$;

comment on function nightshift.theil_sen is
  'The slope of a series by Theil and Sen, a day: the median of the slopes between any two of its points, which stays what it is while fewer than about 3 in 10 points are out of line. Null for fewer than two points.';
