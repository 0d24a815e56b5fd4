create or replace function nightshift.time_of_number(bound text, type regtype, epoch text)
returns timestamp
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  with value(seconds) as (
    -- Not in a WHERE: Postgres may work out the value first, and MAXVALUE is no number.
    select case
      when time_of_number.bound in ('MINVALUE', 'MAXVALUE') then null
      when time_of_number.type = 'bigint'::regtype
        then trim(both '''' from time_of_number.bound)::numeric / case time_of_number.epoch when 'milliseconds' then 1000 else 1 end
      else ('x' || lpad(left(replace(trim(both '''' from time_of_number.bound), '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0
    end
  )
  select case
    when time_of_number.bound = 'MINVALUE' then '-infinity'
    when time_of_number.bound = 'MAXVALUE' then 'infinity'
    -- Outside of the years 1 to 9999 a number is no time.
    when v.seconds < -62135596800 then '-infinity'
    when v.seconds >= 253402300800 then 'infinity'
    else timestamp 'epoch' + make_interval(secs => v.seconds::double precision)
  end
  from value v;
$$;

comment on function nightshift.time_of_number is
  'The time in UTC of the bound of a bigint or of a uuid of version 7, as pg_get_expr prints it; infinite for MINVALUE and MAXVALUE. epoch: what a bigint counts.';
