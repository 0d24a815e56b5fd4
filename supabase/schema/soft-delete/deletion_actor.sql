create or replace function nightshift.deletion_actor(given text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant text := nightshift.calling_user();
begin
  if given <> caller or caller is null and given is not null and exists (
    select
    from pg_catalog.pg_roles r
    where r.rolname = current_user and not r.rolbypassrls and not r.rolsuper
      and (r.rolname in ('anon', 'authenticated') or pg_has_role(to_regrole('authenticator'), r.oid, 'member'))
  ) then
    raise exception using
      errcode = 'NS403',
      message = 'Nobody can delete or restore in the name of another user',
      hint = 'Leave it out: who did it is the user of the request. Only service_role says who it was.';
  end if;
  return coalesce(caller, given, current_user);
end;
$$;

comment on function nightshift.deletion_actor is
  'Who deletes or restores: the user of the request, else who is given, else the role. Errors: NS403 a user gives another, or one without a name gives any.';
