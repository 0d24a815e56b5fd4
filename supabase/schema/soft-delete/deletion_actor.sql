create or replace function nightshift.deletion_actor(given text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant text := nightshift.calling_user();
begin
  if given <> caller then
    raise exception using
      errcode = 'NS403',
      message = 'Nobody can delete or restore in the name of another user',
      hint = 'Leave it out: who did it is the user of the request. Only service_role says who it was.';
  end if;
  return coalesce(caller, given, current_user);
end;
$$;

comment on function nightshift.deletion_actor is
  'Who deletes or restores: the user of the request, else who is given, else the role. Errors: NS403 the user gives another.';
