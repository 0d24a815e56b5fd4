create or replace function nightshift.in_days(every interval)
returns interval
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when extract(epoch from in_days.every) % 86400 = 0 and extract(hour from in_days.every) > 0
    then justify_hours(in_days.every) else in_days.every end;
$$;

comment on function nightshift.in_days is 'Hours that are whole days, as days: 24 hours are a day in UTC.';
