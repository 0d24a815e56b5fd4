create or replace function nightshift.may_refresh(role_name name, view regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_has_role(role_name, (select c.relowner from pg_catalog.pg_class c where c.oid = view), 'usage') then
    return true;
  end if;
  -- Earlier versions do not know the word.
  return current_setting('server_version_num')::integer >= 170000 and has_table_privilege(role_name, view, 'maintain');
end;
$$;

comment on function nightshift.may_refresh is
  'Whether a role may refresh a view: it has the rights of its owner, or holds MAINTAIN on it, which exists since Postgres 17.';
