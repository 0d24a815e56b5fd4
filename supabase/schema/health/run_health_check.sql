-- Health checks: what each looks at, from where on that is worth a word, and who thinks otherwise.
-- Why: a check is one function and one row, declared together in a file of its own; how a value becomes a level is decided in one place, judge_health.

create or replace function nightshift.run_health_check(health_check nightshift.health_checks, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  started timestamptz := clock_timestamp();
  measures nightshift.health_measure[];
  found_out jsonb;
  failure text;
  remedy text;
begin
  execute format('select array_agg(m) from nightshift.%I($1) m', 'health_' || health_check.name) into measures using as_of;
  found_out := nightshift.judge_health(health_check, measures);

  -- Locks last as long as the transaction does, and a migration would wait behind them; undone, a check keeps none.
  raise exception using errcode = 'NS200';
exception
  when sqlstate 'NS200' then
    return nightshift.describe_health_check(health_check) || found_out
      || jsonb_build_object('durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 1));
  -- Whatever keeps one check from its answer must not keep the others from theirs; it is reported as unknown.
  when query_canceled or others then
    get stacked diagnostics failure = message_text, remedy = pg_exception_hint;
    raise log 'nightshift: health check % could not run: % (%)', health_check.name, failure, sqlstate;
    return nightshift.describe_health_check(health_check) || jsonb_build_object(
      'measured', 0, 'level', 'unknown', 'value', null, 'subject', null, 'findingsTotal', 1,
      'findings', jsonb_build_array(jsonb_build_object(
        'subject', null, 'level', 'unknown', 'value', null,
        'detail', nightshift.failure_in_words(sqlstate, failure),
        'fix', case
          when sqlstate = '42501' then format('grant pg_monitor to %I;', current_user)
          when sqlstate like 'NS%' then nullif(remedy, '')
        end,
        'info', null, 'warning', null, 'critical', null
      )),
      'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 1),
      'stopped', sqlstate = '57014'
    );
end;
$$;

comment on function nightshift.run_health_check is
  'The JSON document of one check: what it is (describe_health_check), what it found (judge_health), durationMs. A check that cannot run has the level unknown and says why; stopped says that time ran out.';
