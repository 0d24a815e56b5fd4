create or replace function nightshift.last_step(days date[], sizes double precision[])
returns date
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with point as (
      select p.day, p.size, p.place,
        lag(p.size) over w as size_before,
        (p.size - lag(p.size) over w) / (p.day - lag(p.day) over w) as rate
      from unnest(last_step.days, last_step.sizes) with ordinality p(day, size, place)
      window w as (order by p.day)
    ),
    usual as (
      select percentile_cont(0.5) within group (order by p.rate) as rate from point p
    ),
    noise as (
      select percentile_cont(0.5) within group (order by abs(p.rate - u.rate)) as rate from point p, usual u
    )
    select max(p.day)
    from point p
    cross join usual u
    cross join noise n
    -- A week on either side: a day that stands out is over the day after, and what a weekly purge frees comes back.
    cross join lateral (
      select percentile_cont(0.5) within group (order by q.size) filter (where q.place < p.place) as before,
        percentile_cont(0.5) within group (order by q.size) filter (where q.place >= p.place) as after,
        count(*) filter (where q.place < p.place) as points_before,
        count(*) filter (where q.place >= p.place) as points_after
      from point q
      where q.place >= p.place - 7 and q.place < p.place + 7
    ) level
    where abs(p.rate - u.rate) > 5 * n.rate
      and abs(p.size - p.size_before) > 0.05 * p.size_before
      and abs(level.after - level.before) > abs(p.size - p.size_before) / 2
      and least(level.points_before, level.points_after) >= 3
  );
end;
$$;

comment on function nightshift.last_step is
  'The last day on which a series went to another level and stayed there for three days and more: by more than 5% and 5 times its usual deviation in a day (MAD), and not back since. Null when there is none.';
