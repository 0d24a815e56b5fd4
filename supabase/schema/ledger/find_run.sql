create or replace function nightshift.find_run(id text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  digits constant text := replace(lower(find_run.id), '-', '');
  found_runs nightshift.runs[];
begin
  if digits ~ '^[0-9a-f]{4,32}$' then
    found_runs := array(
      select r from nightshift.runs r
      where r.id between rpad(digits, 32, '0')::uuid and rpad(digits, 32, 'f')::uuid
      limit 2
    );
  end if;
  if coalesce(cardinality(found_runs), 0) = 0 then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', find_run.id),
      detail = 'It may have been trimmed from the ledger.',
      hint = 'The id of a run, or the beginning of one, of four characters and more.';
  end if;
  if cardinality(found_runs) > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('The ids of several runs begin with %s', find_run.id),
      hint = 'Write more of it.';
  end if;
  return nightshift.describe_run(nightshift.run_as_of(found_runs[1], now()));
end;
$$;

comment on function nightshift.find_run is
  'The JSON document of the one run whose id begins so. id: four to all characters of it. Errors: NS404, NS422 when there are several.';
