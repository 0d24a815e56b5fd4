create or replace function nightshift.describe_failure(what text, state text, context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select concat_ws(', in ', format('%s with SQLSTATE %s', what, state), nightshift.place_in_code(context))
$$;

comment on function nightshift.describe_failure is
  'In words, without the message, which may quote a row: what failed, with which SQLSTATE, and where in the code of the application, given the pg_exception_context.';
