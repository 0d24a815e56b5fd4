create or replace function nightshift.place_in_code(context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('line %s of %s', c.line, c.function) from nightshift.code_in_context(context) c order by c.depth limit 1
$$;

comment on function nightshift.place_in_code is
  'Where in the code of the application an error was raised, given its pg_exception_context: line 12 of app.guard(). Null when it was not in PL/pgSQL.';
