create or replace function nightshift.lock_holder(relations regclass[], modes text[], age interval)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'relation', l.relation::regclass::text,
      'pid', l.pid,
      'application', nullif(a.application_name, ''),
      'role', a.usename,
      'since', coalesce(a.xact_start, p.prepared)
    )
    from unnest(relations, modes) t(relation, mode)
    join pg_catalog.pg_locks l on l.relation = t.relation::oid and l.granted and l.locktype = 'relation'
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and (t.mode <> 'share row exclusive' or l.mode not in ('AccessShareLock', 'RowShareLock'))
    left join pg_catalog.pg_stat_activity a on a.pid = l.pid
    left join pg_catalog.pg_locks x on l.pid is null and x.virtualtransaction = l.virtualtransaction and x.locktype = 'transactionid'
    left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
    -- An autovacuum gives way to who waits for it.
    where l.pid is distinct from pg_backend_pid() and a.backend_type is distinct from 'autovacuum worker'
      and coalesce(a.xact_start, p.prepared) < clock_timestamp() - lock_holder.age
    order by coalesce(a.xact_start, p.prepared)
    limit 1
  );
end;
$$;

comment on function nightshift.lock_holder is
  'Who holds one of these tables in a way that conflicts with its mode (access exclusive or share row exclusive), in a transaction older than age, which is not likely to end in a moment: {relation, pid (null for a prepared transaction), application, role, since}, without its query; null for nobody, and for sessions that we may not see.';
