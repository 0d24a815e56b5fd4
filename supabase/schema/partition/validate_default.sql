create or replace function nightshift.validate_default(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  exclusion record := nightshift.exclusion_of(nightshift.find_relation(table_name));
  context text;
begin
  if exclusion.default_partition is null then
    return '{"outcome": "refused"}';
  end if;
  execute format('lock table only %s in share update exclusive mode', nightshift.trusted_name(exclusion.default_partition));
  execute format('alter table %s validate constraint nightshift_room_ahead', nightshift.trusted_name(exclusion.default_partition));
  return '{"outcome": "validated"}';
exception
  when check_violation or undefined_object or lock_not_available or deadlock_detected then
    return '{"outcome": "refused"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.validate_default is
  'Reads the default partition of a table for what exclude_from_default keeps out of it, while readers and writers go on. Returns {outcome: validated | refused}: refused when there is such a row, or the constraint is gone. statement_timeout 8 s, another over the direct connection. Errors: NS409, 57014.';
