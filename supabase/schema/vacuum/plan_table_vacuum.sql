create or replace function nightshift.plan_table_vacuum(run_id uuid, fence bigint, only_tables text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
begin
  perform nightshift.require_tables(only_tables);
  return jsonb_build_object(
    'tables', nightshift.tables_to_vacuum(only_tables),
    -- One that has lasted for minutes is not likely to be over when the vacuum is.
    'heldBy', nightshift.xmin_holder(now() - interval '5 minutes')
  );
end;
$$;

comment on function nightshift.plan_table_vacuum is
  '{tables: what the run is to vacuum, in this order (see tables_to_vacuum); heldBy: who has kept dead rows from being removed for five minutes or longer (see xmin_holder), or null}. only_tables: names as SQL writes them, vacuumed whether it is due or not, with those of their partitions that are due. Errors: NS404 for a name without a table, NS422 for one that was retired, NS409 lease lost, NS424 no statistics.';
