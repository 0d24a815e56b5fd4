create or replace function nightshift.json_number(value numeric)
returns numeric
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when value not in ('NaN', 'Infinity', '-Infinity') then value end;
$$;

comment on function nightshift.json_number is 'The number, or null where JSON has none: one that is infinite, or not a number.';
