create or replace function nightshift.autovacuum_of(view regclass)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select format('autovacuum is removing %s dead rows from it, beside %s that live', nightshift.figure(s.dead), nightshift.figure(s.live))
  from (select pg_stat_get_dead_tuples(view) as dead, pg_stat_get_live_tuples(view) as live) s
  where s.dead > s.live / 2 and exists (
    select
    from pg_catalog.pg_locks l
    join pg_catalog.pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'relation' and l.relation = autovacuum_of.view::oid and l.granted and l.mode = 'ShareUpdateExclusiveLock'
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and a.backend_type = 'autovacuum worker'
  );
$$;

comment on function nightshift.autovacuum_of is
  'In words: an autovacuum is at work on a view of which more than a third is dead, and a refresh would end it; null otherwise, and where we may not see other sessions (pg_read_all_stats).';
