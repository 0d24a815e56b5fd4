create or replace function nightshift.require_trusted_owner(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  owner name;
begin
  select pg_catalog.pg_get_userbyid(c.relowner) into owner
  from pg_catalog.pg_class c
  where c.oid = relation
    and c.relowner <> current_user::regrole
    and not pg_has_role(c.relowner, current_user::regrole, 'member');
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I', relation, owner),
      detail = format('Its triggers and indexes would run with the rights of %I, which are not those of its owner.', current_user),
      hint = nightshift.hint_for_owner(relation);
  end if;
end;
$$;

comment on function nightshift.require_trusted_owner is
  'Raises NS422 when a table belongs to someone who could gain rights by having Nightshift run the code of its triggers and indexes.';
