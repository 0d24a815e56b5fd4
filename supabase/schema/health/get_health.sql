create or replace function nightshift.get_health(only_checks text[] default null, quick boolean default false, as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
as $$
  select nightshift.assess_health(get_health.only_checks, get_health.quick, get_health.as_of);
$$;

comment on function nightshift.get_health is
  'The health of the database and of the night shift, see assess_health; it changes nothing. only_checks: names; null for all. quick: only what changes within minutes. statement_timeout 8 s for all together. Errors: NS404.';
