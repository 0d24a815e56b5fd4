-- Health checks: what each looks at, from where on that is worth a word, and who thinks otherwise.
-- Why: a check is one function and one row, declared together in a file of its own; how a value becomes a level is decided here, once.

create or replace function nightshift.run_health_check(health_check nightshift.health_checks, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  started timestamptz := clock_timestamp();
  found_out jsonb;
  failure text;
  remedy text;
begin
  execute format(
    $query$
    with judged as (
      select m.subject, m.value, m.detail, m.fix, m.problem, t.*,
        case when m.problem is not null then 'unknown'
          else nightshift.health_level(m.value, $2, t.info, t.warning, t.critical) end as level
      from nightshift.%I($1) m
      left join nightshift.health_thresholds s on s.check_name = $3 and s.subject = m.subject
      left join nightshift.health_thresholds w on w.check_name = $3 and w.subject is null
      cross join lateral (
        select
          case when s.check_name is not null then s.info when w.check_name is not null then w.info
            when own.set then m.info else $4 end as info,
          case when s.check_name is not null then s.warning when w.check_name is not null then w.warning
            when own.set then m.warning else $5 end as warning,
          case when s.check_name is not null then s.critical when w.check_name is not null then w.critical
            when own.set then m.critical else $6 end as critical
        from (select coalesce(m.info, m.warning, m.critical) is not null as set) own
      ) t
    ),
    ranked as (
      select j.*, nightshift.level_rank(j.level) as rank,
        row_number() over (order by nightshift.level_rank(j.level) desc,
          case $2 when 'lower' then -j.value else j.value end desc nulls last, j.subject) as place
      from judged j
    )
    select jsonb_build_object(
      'measured', count(*),
      'level', coalesce((select r.level from ranked r where r.place = 1), 'ok'),
      'value', (select nightshift.json_number(r.value) from ranked r where r.place = 1),
      'subject', (select r.subject from ranked r where r.place = 1),
      'findingsTotal', count(*) filter (where level <> 'ok'),
      'findings', coalesce(jsonb_agg(jsonb_build_object(
        'subject', subject, 'level', level, 'value', nightshift.json_number(value), 'detail', coalesce(problem, detail), 'fix', fix,
        'info', nightshift.json_number(info), 'warning', nightshift.json_number(warning), 'critical', nightshift.json_number(critical)
      ) order by place) filter (where level <> 'ok' and place <= 20), '[]')
    )
    from ranked
    $query$,
    'health_' || health_check.name
  )
  into found_out
  using as_of, health_check.worse, health_check.name, health_check.info, health_check.warning, health_check.critical;

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
  'The JSON document of one check: what it is (describe_health_check), measured (how many subjects), level, value and subject (of the worst), findings (at most 20, worst first: subject, level, value, detail, fix, thresholds), findingsTotal, durationMs. A check that cannot run has the level unknown and says why; stopped says that time ran out.';
