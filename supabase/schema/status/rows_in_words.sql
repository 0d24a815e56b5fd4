create or replace function nightshift.rows_in_words(rows bigint)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case rows when 1 then '1 row' else nightshift.figure(rows) || ' rows' end;
$$;

comment on function nightshift.rows_in_words is 'A number of rows, as people read it: 1 row, 12,345 rows.';
