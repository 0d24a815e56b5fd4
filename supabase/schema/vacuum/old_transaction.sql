create or replace function nightshift.old_transaction(before timestamptz, relation oid)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('holder', h.holder, 'since', h.since, 'fix', h.fix)
  from (
    select
      format('pid %s (%s as %s, %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no application name'), a.usename, a.state) as holder,
      a.xact_start as since,
      format(case a.state when 'active' then 'select pg_cancel_backend(%s);' else 'select pg_terminate_backend(%s);' end, a.pid) as fix
    from pg_catalog.pg_stat_activity a
    where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
      and (a.backend_xid is not null or a.backend_xmin is not null or exists (
        select from pg_catalog.pg_locks l
        where l.pid = a.pid and l.locktype = 'relation' and l.relation = old_transaction.relation
          and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      ))
      and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)
    union all
    select format('the prepared transaction %s of %s', p.gid, p.owner), p.prepared,
      format('commit prepared %1$L; -- or, which throws its changes away: rollback prepared %1$L;', p.gid)
    from pg_catalog.pg_prepared_xacts p
    where p.database = current_database()
  ) h
  where h.since < old_transaction.before
  order by h.since
  limit 1;
$$;

comment on function nightshift.old_transaction is
  'The oldest transaction that began before a time and has a snapshot in this database, or the table locked, however little: whatever is built concurrently would wait for it. {holder: in words, without its query; since; fix}; null for none, and for sessions that we may not see.';
