-- Which level each value has, and the worst first.
-- Why: apart from run_health_check, whose query differs with each check: what is the same for all of them is planned once.

create or replace function nightshift.judge_health(health_check nightshift.health_checks, measures nightshift.health_measure[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    with judged as (
      select m.subject, m.value, m.detail, m.fix, m.problem, t.*,
        case when m.problem is not null then 'unknown'
          else nightshift.health_level(m.value, health_check.worse, t.info, t.warning, t.critical) end as level
      from unnest(measures) m
      left join nightshift.health_thresholds s on s.check_name = health_check.name and s.subject = m.subject
      left join nightshift.health_thresholds w on w.check_name = health_check.name and w.subject is null
      cross join lateral (
        select
          case when s.check_name is not null then s.info when w.check_name is not null then w.info
            when own.set then m.info else health_check.info end as info,
          case when s.check_name is not null then s.warning when w.check_name is not null then w.warning
            when own.set then m.warning else health_check.warning end as warning,
          case when s.check_name is not null then s.critical when w.check_name is not null then w.critical
            when own.set then m.critical else health_check.critical end as critical
        from (select coalesce(m.info, m.warning, m.critical) is not null as set) own
      ) t
    ),
    ranked as (
      select j.*,
        row_number() over (order by nightshift.level_rank(j.level) desc,
          case health_check.worse when 'lower' then -j.value else j.value end desc nulls last, j.subject) as place
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
  );
end;
$$;

comment on function nightshift.judge_health is
  'What a check found, of what it measured: measured (how many subjects), level, value and subject (of the worst), findings (at most 20, worst first: subject, level, value, detail, fix, thresholds), findingsTotal.';
