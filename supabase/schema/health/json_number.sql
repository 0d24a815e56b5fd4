-- plpgsql for the same reason as health_level.

create or replace function nightshift.json_number(value numeric)
returns numeric
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when value not in ('NaN', 'Infinity', '-Infinity') then value end;
end;
$$;

comment on function nightshift.json_number is 'The number, or null where JSON has none: one that is infinite, or not a number.';
