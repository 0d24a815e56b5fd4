create or replace function nightshift.warn_of_replica_identity(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select format(
    'Postgres refuses to delete from %s: a publication has its deletions, and it has no primary key or other replica identity. Fix: alter table %s replica identity full;',
    nightshift.name_some(u.relations), (u.relations[1])::regclass
  )
  from nightshift.without_replica_identity(warn_of_replica_identity.relation) u(relations)
  where cardinality(u.relations) > 0;
end;
$$;

comment on function nightshift.warn_of_replica_identity is 'A sentence with the fix where without_replica_identity finds something.';
