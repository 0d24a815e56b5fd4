create or replace function nightshift.read_pressure(since timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'sessionsAtWork', sessions.at_work,
    'sessionsWaiting', sessions.waiting,
    'preventsWraparound', sessions.prevents_wraparound,
    'replicaLagMs', coalesce((
      select round(extract(epoch from max(r.replay_lag)) * 1000) from pg_stat_replication r
    ), 0),
    'walShare', round(
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (select c.redo_lsn from pg_control_checkpoint() c))
        / pg_size_bytes(current_setting('max_wal_size')),
      3
    )
  )
  from (
    select
      count(*) filter (where a.backend_type = 'client backend' and (a.state = 'active' and not w.stands_by or a.state_change >= since)) as at_work,
      count(*) filter (where a.backend_type = 'client backend' and a.wait_event_type = 'Lock' and not w.stands_by) as waiting,
      count(*) filter (where a.backend_type = 'autovacuum worker' and a.query like '%(to prevent wraparound)') > 0 as prevents_wraparound
    from pg_stat_activity a
    -- The next worker waits for such a lock all day, to take over from the one that has it.
    cross join lateral (select (a.wait_event_type = 'Lock' and a.wait_event = 'advisory') is true) w(stands_by)
    where a.pid <> pg_backend_pid() and a.datname = current_database()
  ) sessions;
end;
$$;

comment on function nightshift.read_pressure is
  'What else the server has to do, for whoever could wait a moment: {sessionsAtWork: sessions of this database, besides this one, that have begun or ended a statement since then or are in one, unless they wait for an advisory lock; sessionsWaiting: those that wait for another lock now; preventsWraparound: whether an autovacuum to prevent wraparound is under way; replicaLagMs: of the replica that is furthest behind; walShare: WAL since the last checkpoint as a share of max_wal_size, half of which brings on the next one}. Of what the functions'' owner may not see (without pg_read_all_stats), nothing counts.';
