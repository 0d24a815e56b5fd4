create or replace function nightshift.status_health(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with result as (
    select c.name, c.title, c.healthy, c.why, c.unit, c.worse, k.checked_at, r.document,
      -- What nobody has looked at for a night and two hours is not known, however well it was then.
      coalesce(k.checked_at < status_health.as_of - interval '26 hours', false) as is_old
    from nightshift.health_checks c
    left join nightshift.health_results r on r.check_name = c.name
    -- One that was never made has been waited for since the last full health check or, where there was none, since the first quick one.
    cross join lateral (
      select coalesce(r.checked_at, (
        select max(o.checked_at) from nightshift.health_results o join nightshift.health_checks f on f.name = o.check_name where not f.quick
      ), (
        select min(h.started_at) from nightshift.runs h where h.job = 'health-check' and not h.dry_run
      ))
    ) k(checked_at)
  ),
  found as (
    select r.name, r.title, r.why, r.unit, r.worse, r.checked_at, n.value ->> 'subject' as subject, n.value ->> 'level' as level,
      (n.value ->> 'value')::numeric as value, (n.value ->> (n.value ->> 'level'))::numeric as threshold,
      n.value ->> 'detail' as detail, n.value ->> 'fix' as fix, (r.document ->> 'findingsTotal')::integer as total
    from result r
    cross join jsonb_array_elements(r.document -> 'findings') n
    where not r.is_old
    union all
    select r.name, r.title, r.why, r.unit, r.worse, r.checked_at, null, 'unknown', null, null,
      'No full health check has looked for more than 26 hours.', '-- npm run nightshift -- run health-check', 1
    from result r
    where r.is_old
  ),
  ranked as (
    select f.*, coalesce(s.since, f.checked_at) as since, coalesce(s.level_since, f.checked_at) as level_since,
      row_number() over (
        order by nightshift.level_rank(f.level) desc, coalesce(s.level_since, f.checked_at), f.name, f.subject
      ) as place
    from found f
    left join nightshift.health_findings s on s.check_name = f.name and s.subject = coalesce(f.subject, '')
  )
  select jsonb_build_object(
    'total', (
      select coalesce(sum(t.total), 0) from (select distinct f.name, f.total from found f) t
    ),
    'counts', (
      select coalesce(jsonb_object_agg(l.level, l.checks), '{}')
      from (
        select case when r.is_old then 'unknown' else r.document ->> 'level' end as level, count(*) as checks
        from result r
        where r.document is not null or r.is_old
        group by 1
      ) l
    ),
    'items', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'check', r.name, 'title', r.title, 'why', r.why, 'subject', r.subject, 'level', r.level, 'value', r.value, 'unit', r.unit,
        'worse', r.worse, 'threshold', r.threshold, 'since', r.since, 'levelSince', r.level_since, 'detail', r.detail, 'fix', r.fix,
        'checkedAt', r.checked_at
      ) order by r.place), '[]')
      from ranked r
      where r.place <= 100
    ),
    'healthy', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'check', r.name, 'title', r.title, 'healthy', r.healthy, 'checkedAt', r.checked_at
      ) order by r.title), '[]')
      from result r
      where r.document ->> 'level' = 'ok' and not r.is_old
    )
  );
$$;

comment on function nightshift.status_health is
  'The section health of the snapshot, from what record_health keeps: what is not ok, worst first (at most 100), each with its threshold, since when, and when its check last looked; counts of checks by level; the checks that found nothing. A check that nobody has made for 26 hours, or ever in 26 hours of health checks, is unknown.';
