-- Health check long_transactions: how long the transactions of this database have been open.
-- Why: one that is forgotten keeps vacuum from its work in every table, and whoever waits for its locks from theirs.

create or replace function nightshift.health_long_transactions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    format('pid %s', a.pid),
    greatest(round(extract(epoch from as_of - a.xact_start)), 0),
    format('%s as %s, %s; %s', coalesce(nullif(a.application_name, ''), 'no application name'), a.usename, a.state,
      concat_ws('; ', coalesce('holds back vacuum by ' || greatest(age(a.backend_xid), age(a.backend_xmin)) || ' transactions',
        'holds back no vacuum'), 'waits for pid ' || w.blockers)),
    -- One that waits is not the culprit, and where nothing runs there is nothing to cancel.
    case when w.blockers is null then
      format(case a.state when 'active' then 'select pg_cancel_backend(%s);' else 'select pg_terminate_backend(%s);' end, a.pid) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  left join lateral (
    select array_to_string(pg_blocking_pids(a.pid), ', ') as blockers where a.wait_event_type = 'Lock'
  ) w on true
  where a.datname = current_database() and a.backend_type = 'client backend'
    and a.pid <> pg_backend_pid() and a.xact_start is not null
    -- A vacuum may well take hours, and holds nothing back.
    and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)
  union all
  select
    format('prepared transaction %s', p.gid),
    greatest(round(extract(epoch from as_of - p.prepared)), 0),
    format('of %s; keeps its locks and holds back vacuum by %s transactions', p.owner, nightshift.figure(age(p.transaction))),
    format('rollback prepared %L;', p.gid),
    null, null, null, null
  from pg_catalog.pg_prepared_xacts p
  where p.database = current_database();
end;
$$;

comment on function nightshift.health_long_transactions is
  'Seconds since each transaction of a client in this database began, its own left out, and since each prepared one was prepared. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'long_transactions',
  title => 'Long transactions',
  healthy => 'No transaction has been open for long.',
  why => 'While one is open, vacuum removes nothing that it might still see, in any table, and its locks stay.',
  unit => 'seconds', info => 60, warning => 1800, critical => 3600, quick => true
);
