create or replace function nightshift.vacuuming_session()
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select l.pid
  from pg_catalog.pg_locks l
  where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and (l.classid::bigint << 32) | l.objid::bigint = pg_catalog.hashtextextended('nightshift.vacuum', 0);
$$;

comment on function nightshift.vacuuming_session is
  'The session that has the turn to vacuum, an advisory lock that it holds until it is done: so there are never two at once. Null for none.';
