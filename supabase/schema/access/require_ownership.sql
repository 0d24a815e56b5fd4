create or replace function nightshift.require_ownership(relation regclass, what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of the function: a policy gives nobody a right over a table that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  owner oid := (select c.relowner from pg_catalog.pg_class c where c.oid = relation);
begin
  if not pg_has_role(caller, owner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not change its %s', relation, owner::regrole, caller, what),
      hint = 'Call it as the owner of the table: on Supabase in the SQL editor, in a migration, or over a direct connection.';
  end if;
end;
$$;

comment on function nightshift.require_ownership is 'Raises NS422 unless whoever calls has the rights of the owner of a table.';
