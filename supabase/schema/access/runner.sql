-- The role nightshift_runner, which a token with its name may take over the Data API.
-- Why: the functions need to run jobs, and a secret key lets its holder do anything in the project.

do $$
begin
  -- Roles belong to the whole server: another database of it may have made this one, or be about to.
  if to_regrole('nightshift_runner') is null then
    begin
      create role nightshift_runner nologin noinherit nobypassrls;
    exception
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if exists (
    select from pg_catalog.pg_roles r
    where r.rolname = 'nightshift_runner'
      and (
        r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolreplication
        or exists (select from pg_catalog.pg_auth_members m where m.member = r.oid)
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = 'There is a role nightshift_runner already, and it may do more than run jobs',
      hint = 'alter role nightshift_runner nosuperuser nobypassrls nologin nocreaterole nocreatedb noreplication; and revoke every role from it; or rename it.';
  end if;
  if not pg_has_role('authenticator', 'nightshift_runner', 'member') then
    begin
      grant nightshift_runner to authenticator;
    exception
      when unique_violation then null;
      when insufficient_privilege then
        raise exception using
          errcode = 'NS422',
          message = format('%I may not let authenticator take the role nightshift_runner, which someone else has made', current_user),
          hint = 'As whoever made it, or a superuser: grant nightshift_runner to authenticator;';
    end;
  end if;
end;
$$;
