-- Whose tables a health check gives advice on.
-- Why: a finding whose fix ends in "must be owner" is noise, and the tables of Supabase itself are its own affair.
-- Locks: none.

create function nightshift.application_owners()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select r.oid
  from pg_catalog.pg_namespace n
  cross join pg_catalog.pg_roles r
  where n.nspname = 'nightshift'
    and pg_has_role(n.nspowner, r.oid, 'usage')
    -- On older projects postgres is a member of these.
    and (r.oid = n.nspowner or r.rolname not like 'supabase\_%');
end;

comment on function nightshift.application_owners is
  'The roles whose tables whoever installed Nightshift may change, except those of Supabase (auth, storage, realtime).';

revoke all on function nightshift.application_owners from public, anon, authenticated;
