create or replace function nightshift.describe_ddl_failure(state text, message text, hint text, context text, statement text, rows_moved boolean)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'code', describe_ddl_failure.state,
    -- Of definitions Postgres speaks freely; what fails on rows may quote one.
    'message', case
      when describe_ddl_failure.state ~ '^NS' or describe_ddl_failure.state ~ '^(42|55|0A|2B)' and not describe_ddl_failure.rows_moved
        then describe_ddl_failure.message
      else nightshift.describe_failure('Postgres refused', describe_ddl_failure.state, describe_ddl_failure.context) end,
    'hint', coalesce(nullif(describe_ddl_failure.hint, ''), format('To see why: %s', describe_ddl_failure.statement))
  );
$$;

comment on function nightshift.describe_ddl_failure is 'The JSON document of an error of one table, for a report: {code, message, hint}, without row contents.';
