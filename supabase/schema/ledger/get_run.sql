create or replace function nightshift.get_run(run_id uuid)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
begin
  select r.* into run from nightshift.runs r where r.id = get_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger.';
  end if;
  return nightshift.describe_run(nightshift.run_as_of(run, now()));
end;
$$;

comment on function nightshift.get_run is 'The JSON document of one run. Errors: NS404.';
