create or replace function nightshift.explain_key_query(query text, run_it boolean)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  explained jsonb;
begin
  begin
    set local transaction_read_only = on;
    -- As for the application: the functions that lead here have switched it off for themselves.
    perform set_config('jit', s.reset_val, true) from pg_catalog.pg_settings s where s.name = 'jit';
    execute format(
      'explain (%sverbose, format json) %s',
      case when run_it then 'analyze, buffers, timing off, ' else 'costs off, ' end, query
    ) into explained;
    raise exception using errcode = 'NS200';
  exception
    when sqlstate 'NS200' then null;
  end;
  return explained -> 0;
end;
$$;

comment on function nightshift.explain_key_query is
  'What EXPLAIN says of a query, as JSON; with run_it, the query is run for it. In a transaction that is read-only meanwhile, and undone. For a text that require_reading_query has let through.';
