create or replace function nightshift.describe_health_check(health_check nightshift.health_checks)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'name', health_check.name,
      'title', health_check.title,
      'healthy', health_check.healthy,
      'why', health_check.why,
      'unit', health_check.unit,
      'worse', health_check.worse,
      'quick', health_check.quick,
      'info', nightshift.json_number(case when t.id is null then health_check.info else t.info end),
      'warning', nightshift.json_number(case when t.id is null then health_check.warning else t.warning end),
      'critical', nightshift.json_number(case when t.id is null then health_check.critical else t.critical end),
      'off', t.id is not null and coalesce(t.info, t.warning, t.critical) is null
    )
    from (values (1)) one
    left join nightshift.health_thresholds t on t.check_name = health_check.name and t.subject is null
  );
end;
$$;

comment on function nightshift.describe_health_check is
  'What a check is: name, title, why it matters, unit, thresholds for all its subjects; off: someone has taken all of them away, so that nothing is ever a finding.';
