create or replace function nightshift.application_owners()
returns setof oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select r.oid
  from pg_catalog.pg_namespace n
  cross join pg_catalog.pg_roles r
  where n.nspname = 'nightshift'
    and pg_has_role(n.nspowner, r.oid, 'usage')
    -- On older projects postgres is a member of these.
    and (r.oid = n.nspowner or r.rolname not like 'supabase\_%');
end;
$$;

comment on function nightshift.application_owners is
  'The roles whose tables whoever installed Nightshift may change, except those of Supabase (auth, storage, realtime).';
