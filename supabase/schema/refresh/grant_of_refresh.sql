create or replace function nightshift.grant_of_refresh(role_name name, view regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when current_setting('server_version_num')::integer >= 170000
    then format('grant maintain on %s to %I;', c.oid::regclass, role_name)
    else format('grant %I to %I;', pg_get_userbyid(c.relowner), role_name) end
  from pg_catalog.pg_class c
  where c.oid = grant_of_refresh.view;
$$;

comment on function nightshift.grant_of_refresh is 'The statement that lets a role refresh a view and takes nothing from anyone.';
