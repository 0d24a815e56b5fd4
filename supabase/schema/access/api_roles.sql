create or replace function nightshift.api_roles()
returns setof oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select r.oid
  from pg_catalog.pg_roles r
  where not r.rolbypassrls and not r.rolsuper
    and (
      r.rolname in ('anon', 'authenticated')
      or exists (
        select 1
        from pg_catalog.pg_auth_members m
        join pg_catalog.pg_roles a on a.oid = m.member and a.rolname = 'authenticator'
        where m.roleid = r.oid
      )
    );
end;
$$;

comment on function nightshift.api_roles is
  'The roles that a request over the Data API can have: anon, authenticated, and others that authenticator may become; without those that row level security does not apply to, like service_role.';
