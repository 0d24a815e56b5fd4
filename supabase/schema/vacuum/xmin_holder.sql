-- Who keeps the oldest rows, dead or not, for itself.
-- Why: VACUUM removes no row that someone may still see, says nothing of it, and ends as if all were well.
-- Locks: none.

create or replace function nightshift.xmin_holder(before timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('holder', h.holder, 'xids', h.xids, 'since', h.since, 'fix', h.fix)
    from (
      select
        format('pid %s (%s as %s, %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no application name'), a.usename, a.state) as holder,
        greatest(age(a.backend_xid), age(a.backend_xmin)) as xids,
        a.xact_start as since,
        format(case a.state when 'active' then 'select pg_cancel_backend(%s);' else 'select pg_terminate_backend(%s);' end, a.pid) as fix
      from pg_catalog.pg_stat_activity a
      where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
        and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)
      union all
      select format('the standby %s, whose queries hold back vacuum', coalesce(nullif(s.application_name, ''), s.pid::text)),
        age(s.backend_xmin), s.backend_start, '-- on the standby: end its oldest query, or set hot_standby_feedback = off'
      from pg_catalog.pg_stat_replication s
      union all
      select format('the prepared transaction %s of %s', p.gid, p.owner), age(p.transaction), p.prepared, format('commit prepared %1$L; -- or, which throws its changes away: rollback prepared %1$L;', p.gid)
      from pg_catalog.pg_prepared_xacts p
      where p.database = current_database()
      union all
      select format('the replication slot %s', s.slot_name), age(s.xmin), '-infinity', format('select pg_drop_replication_slot(%L);', s.slot_name)
      from pg_catalog.pg_replication_slots s
    ) h
    where h.xids is not null and h.since < xmin_holder.before
    order by h.xids desc
    limit 1
  );
end;
$$;

comment on function nightshift.xmin_holder is
  'Who has kept dead rows from being removed since before a time: {holder: in words, without its query; xids: by how many transactions; since; fix}, the one that goes back furthest; null for nobody, and for sessions that we may not see.';
