create or replace function nightshift.record_health(checks jsonb, checked_at timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into nightshift.health_results (check_name, checked_at, document)
  select c.value ->> 'name', record_health.checked_at, c.value
  from jsonb_array_elements(checks) c
  on conflict on constraint health_results_pkey do update set (checked_at, document) = (excluded.checked_at, excluded.document);

  -- What a check that could not run found before is not known to be over, and neither is what its list has no room for.
  -- The list is worst first, so what is worse than its end would be in it.
  delete from nightshift.health_findings f
  using jsonb_array_elements(checks) c
  where f.check_name = c.value ->> 'name'
    and ((c.value ->> 'findingsTotal')::integer = jsonb_array_length(c.value -> 'findings')
      or f.subject = '' or nightshift.level_rank(f.level) > nightshift.level_rank(c.value #>> '{findings,-1,level}'))
    and not exists (
      select from jsonb_array_elements(c.value -> 'findings') n
      where coalesce(n.value ->> 'subject', '') in ('', f.subject)
    );

  insert into nightshift.health_findings as f (check_name, subject, level, since, level_since)
  select distinct on (c.value ->> 'name', coalesce(n.value ->> 'subject', ''))
    c.value ->> 'name', coalesce(n.value ->> 'subject', ''), n.value ->> 'level', record_health.checked_at, record_health.checked_at
  from jsonb_array_elements(checks) c
  cross join jsonb_array_elements(c.value -> 'findings') n
  order by 1, 2, nightshift.level_rank(n.value ->> 'level') desc
  on conflict on constraint health_findings_pkey do update
  set (level, level_since) = (excluded.level, excluded.level_since)
  where f.level <> excluded.level;
end;
$$;

comment on function nightshift.record_health is
  'Keeps what checks have found (documents of run_health_check), each until it is made again, and since when a subject has not been ok.';
