create or replace function nightshift.release_default(run_id uuid, fence bigint, table_name text, lock_timeout_ms integer default 100)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  -- A run that was cancelled has to clear up as well.
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  context text;
begin
  perform set_config('lock_timeout', greatest(lock_timeout_ms, 1)::text, true);
  perform nightshift.drop_exclusion(nightshift.find_relation(table_name));
  return '{"outcome": "released"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.release_default is
  'Drops the constraint of exclude_from_default, of this run or of one that was interrupted. Harmless without it. Returns {outcome: released | busy}. Errors: NS409.';
