-- Health check replication_lag: how far those who replicate from this server are behind it.
-- Why: what they have not confirmed is kept on disk here, and missing over there.

create or replace function nightshift.health_replication_lag(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    coalesce(format('slot %I', s.slot_name),
      format('%s at %s', coalesce(nullif(r.application_name, ''), r.usename), coalesce(host(r.client_addr), 'this machine'))),
    greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), reached.lsn), 0),
    concat_ws('; ',
      coalesce(r.state || ' to ' || coalesce(nullif(r.application_name, ''), r.usename), format('read by pid %s', s.active_pid)),
      pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), r.sent_lsn)) || ' of it not sent yet',
      'the last confirmation took ' || date_trunc('milliseconds', coalesce(r.replay_lag, r.flush_lag))),
    'select pid, application_name, state, sent_lsn, flush_lsn, replay_lsn, replay_lag from pg_stat_replication;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_replication r
  full join (select * from pg_catalog.pg_replication_slots where active) s on s.active_pid = r.pid
  cross join lateral (
    select coalesce(r.replay_lsn, r.flush_lsn, s.confirmed_flush_lsn, s.restart_lsn, r.write_lsn, r.sent_lsn) as lsn
  ) reached
  -- A base backup, or one who is only just connecting, has not reached anything.
  where reached.lsn is not null and r.state is distinct from 'backup';
end;
$$;

comment on function nightshift.health_replication_lag is
  'Bytes of WAL that each standby, subscriber or reader of an active slot has not confirmed. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'replication_lag',
  title => 'Replication lag',
  healthy => 'Everyone who replicates from here keeps up.',
  why => 'What a replica has not confirmed is kept on disk here, and is missing from what is read there.',
  unit => 'bytes', warning => 104857600, critical => 1073741824, quick => true
);
