-- plpgsql for the same reason as health_level.

create or replace function nightshift.figure(value numeric)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return to_char(value, 'FM999,999,999,999,999,999,990');
end;
$$;

comment on function nightshift.figure is 'A whole number as people read it, and as functions/_shared/figures.ts writes it: 12,345.';
