create or replace function nightshift.growth_of(kind text, subject text, as_of timestamptz)
returns table (points integer, step_on date, step_bytes bigint, bytes_per_day_7 double precision, bytes_per_day_28 double precision)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  this_day constant date := (as_of at time zone 'UTC')::date;
  -- The present day has not seen its highest figure.
  days date[];
  sizes double precision[];
begin
  select array_agg(p.day order by p.day), array_agg(p.bytes::double precision order by p.day) into days, sizes
  from nightshift.daily_points(kind, subject, as_of, 29) p
  where p.day < this_day and p.bytes is not null;
  step_on := nightshift.last_step(days, sizes);
  if step_on is not null then
    step_bytes := sizes[array_position(days, step_on)] - sizes[array_position(days, step_on) - 1];
    sizes := sizes[array_position(days, step_on):];
    days := days[array_position(days, step_on):];
  end if;
  points := coalesce(cardinality(days), 0);
  if points >= 14 then
    bytes_per_day_28 := nightshift.theil_sen(days, sizes);
    select nightshift.theil_sen(array_agg(p.day), array_agg(p.size)) into bytes_per_day_7
    from unnest(days, sizes) p(day, size)
    where p.day >= this_day - 7
    having count(*) >= 4;
  end if;
  return next;
end;
$$;

comment on function nightshift.growth_of is
  'How a database or table grows, by the highest size of each of the 28 days before the present one: in bytes a day over the last 28 and the last 7 of them (theil_sen), after the last step (last_step) if there was one in that time. points: how many days that is; with fewer than 14 nothing is said. Its answer is one row.';
