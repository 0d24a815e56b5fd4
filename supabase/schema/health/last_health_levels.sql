create or replace function nightshift.last_health_levels(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    -- What nobody has looked at for a night and two hours is not known, however well it was then.
    when last.finished_at < last_health_levels.as_of - interval '26 hours' or last.finished_at is null and exists (
      select 1 from nightshift.runs r
      where r.job = 'health-check' and r.finished_at < last_health_levels.as_of - interval '26 hours'
    ) then (select jsonb_object_agg(c.name, 'unknown') from nightshift.health_checks c where not c.quick)
    else coalesce((
      select jsonb_object_agg(f.name, f.level)
      from (
        select c ->> 'name', c ->> 'level'
        from jsonb_array_elements(last.report -> 'checks') c
        where not (c ->> 'quick')::boolean
        union all
        select n, 'unknown'
        from jsonb_array_elements_text(last.report -> 'notRun') n
        where n in (select h.name from nightshift.health_checks h where not h.quick)
      ) f(name, level)
    ), '{}')
  end
  from (values (1)) one
  left join lateral (
    select r.report, r.finished_at
    from nightshift.runs r
    where r.job = 'health-check' and r.status in ('succeeded', 'partial') and not r.dry_run
      and not (r.report ->> 'quick')::boolean and r.input -> 'only' is null
      and r.finished_at <= last_health_levels.as_of
    order by r.started_at desc
    limit 1
  ) last on true;
$$;

comment on function nightshift.last_health_levels is
  'What the last full run found in the checks that are not quick: {name: level}, without those that were ok. A quick run counts them as they were, so that a finding of the night is not forgotten five minutes later. What that run had no time for is unknown, and all of them when there has been no full run for 26 hours.';
