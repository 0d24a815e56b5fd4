create or replace function nightshift.can_be_referenced(relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pg_catalog.pg_roles r
    where r.rolcanlogin
      and not pg_has_role(r.oid, current_user::regrole, 'usage')
      -- Supabase's own, and the one that requests come through: they make no tables.
      and r.rolname <> 'authenticator' and r.rolname not like 'supabase\_%'
      and exists (
        select from pg_catalog.pg_roles g
        where pg_has_role(r.oid, g.oid, 'member') and has_any_column_privilege(g.oid, relation, 'references')
      )
  );
end;
$$;

comment on function nightshift.can_be_referenced is
  'Whether someone without the rights of the owner of these functions could make a foreign key to a table at this moment.';
