-- Users delete in their own name only, and a row that is inserted as deleted is a deletion, too. Imports by others say who it was.
-- After the insert, since a trigger before it would have COPY write row by row.
-- Arguments of the trigger: the columns for who deleted the row, and by which operation.

create or replace function nightshift.guard_insert()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- All by itself, since it runs with the rights of whoever inserts the row, who may call nothing of Nightshift.
  caller constant text := nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '');
  is_user constant boolean := exists (
    select
    from pg_catalog.pg_roles r
    where r.rolname = current_user and not r.rolbypassrls and not r.rolsuper
      and (r.rolname in ('anon', 'authenticated') or pg_has_role(to_regrole('authenticator'), r.oid, 'member'))
  );
  deletion constant jsonb := case when is_user then to_jsonb(new) end;
begin
  if deletion ->> tg_argv[1] is not null or deletion ->> tg_argv[0] <> coalesce(caller, '') then
    raise exception using
      errcode = 'NS403',
      message = format('Nobody can insert a row of %s as deleted by another user, or by an operation', tg_relid::regclass),
      hint = format('Leave %I and %I out. Only the owner and service_role import what was deleted elsewhere.', tg_argv[0], tg_argv[1]);
  end if;
  return null;
end;
$$;

comment on function nightshift.guard_insert is
  'Trigger of tables with soft delete: raises NS403 when a user inserts a row that is deleted in another name, or by an operation.';
