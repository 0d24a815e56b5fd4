create or replace function nightshift.is_of_realtime(owner oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_has_role(owner, current_user::regrole, 'usage') or owner = to_regrole('supabase_realtime_admin');
$$;

comment on function nightshift.is_of_realtime is
  'Whether code of this owner may run in the name of Realtime: it is of a role that has the rights of the owner of Nightshift anyway, or of the one that Supabase made for it, and lets nobody else make.';
