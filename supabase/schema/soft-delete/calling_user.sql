create or replace function nightshift.calling_user()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '');
$$;

comment on function nightshift.calling_user is
  'The user on whose behalf a request is made, as auth.uid() has it; null for service_role and without a request.';
