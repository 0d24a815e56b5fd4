create or replace function nightshift.require_replica_identity(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  without oid[] := nightshift.without_replica_identity(relation);
begin
  if cardinality(without) > 0 then
    raise exception using
      errcode = 'NS422',
      message = format('Postgres refuses to delete from %s', nightshift.name_some(without)),
      detail = 'A publication has its deletions, and it has no primary key or other replica identity.',
      hint = format('alter table %s replica identity full; or give it a primary key.', without[1]::regclass);
  end if;
end;
$$;

comment on function nightshift.require_replica_identity is
  'Raises NS422 where Postgres is certain to refuse a deletion: see without_replica_identity.';
