create or replace function nightshift.may_vacuum(role_name name, relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select nightshift.may_refresh(may_vacuum.role_name, may_vacuum.relation)
    or exists (
      select from pg_catalog.pg_database d
      where d.datname = current_database() and pg_has_role(may_vacuum.role_name, d.datdba, 'usage')
    );
$$;

comment on function nightshift.may_vacuum is
  'Whether a role may vacuum a table: it has the rights of its owner or of the owner of the database, or holds MAINTAIN on it, which exists since Postgres 17.';
