create or replace function nightshift.assess_health(only_checks text[], quick boolean, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  health_check nightshift.health_checks;
  document jsonb;
  documents jsonb[] := '{}';
  not_run text[] := '{}';
  stopped boolean := false;
begin
  perform nightshift.require_health_checks(only_checks);
  for health_check in
    select c.* from nightshift.health_checks c
    where (only_checks is null or c.name = any(only_checks)) and (c.quick or not coalesce(assess_health.quick, false))
    order by c.quick desc, c.name
  loop
    -- The clock of the statement timeout has run out, and starts anew only with the next call.
    if stopped then
      not_run := not_run || health_check.name;
      continue;
    end if;
    document := nightshift.run_health_check(health_check, as_of);
    stopped := coalesce((document ->> 'stopped')::boolean, false);
    documents := documents || (document - 'stopped');
  end loop;

  return jsonb_build_object(
    'at', as_of,
    'serverVersion', current_setting('server_version'),
    'checks', to_jsonb(documents),
    'notRun', to_jsonb(not_run)
  );
end;
$$;

comment on function nightshift.assess_health is
  'Runs the checks, those named or all, or only the quick ones: {at, serverVersion, checks: [see run_health_check], notRun: names for which no time was left after one that took too long: ask for these again}. Errors: NS404 for a name that is no check.';
