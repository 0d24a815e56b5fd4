create or replace function nightshift.require_period(name text, period interval, example text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if period is null or not isfinite(period) or period <= '0'
    or least(
      extract(year from period), extract(month from period), extract(day from period),
      extract(hour from period), extract(minute from period), extract(second from period)
    ) < 0
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s must be a positive interval, not %s', name, coalesce(period::text, 'null')),
      hint = example;
  end if;
end;
$$;

comment on function nightshift.require_period is 'Raises NS422, with the example as the hint, unless the interval is positive in each of its fields.';
