create or replace function nightshift.declare_health_check(
  name text,
  title text,
  healthy text,
  why text,
  unit text,
  worse text default 'higher',
  info numeric default null,
  warning numeric default null,
  critical numeric default null,
  quick boolean default false
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.health_checks (name, title, healthy, why, unit, worse, info, warning, critical, quick)
  values (name, title, healthy, why, unit, worse, info, warning, critical, quick)
  on conflict (name) do update set
    (title, healthy, why, unit, worse, info, warning, critical, quick) = (
      excluded.title, excluded.healthy, excluded.why, excluded.unit, excluded.worse,
      excluded.info, excluded.warning, excluded.critical, excluded.quick
    );
$$;

comment on function nightshift.declare_health_check is
  'Writes the row of a health check, anew where there is one; the file of each check calls it. See nightshift.health_checks for the columns. Thresholds that were set for the check or a subject stay.';
