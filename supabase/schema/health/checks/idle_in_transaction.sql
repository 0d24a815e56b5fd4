-- Health check idle_in_transaction: how long sessions of this database have left a transaction open without doing anything.
-- Why: nobody is working there, and yet it holds its locks, its connection and the vacuum.

create or replace function nightshift.health_idle_in_transaction(as_of timestamptz)
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
    greatest(round(extract(epoch from as_of - a.state_change)), 0),
    format('%s as %s, %s; its transaction has been open for %s', coalesce(nullif(a.application_name, ''), 'no application name'),
      a.usename, a.state, date_trunc('second', as_of - a.xact_start)),
    format('select pg_terminate_backend(%s);', a.pid),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  where a.datname = current_database() and a.backend_type = 'client backend' and a.state like 'idle in transaction%';
end;
$$;

comment on function nightshift.health_idle_in_transaction is
  'Seconds that each session of this database has been idle in a transaction, failed ones included. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'idle_in_transaction',
  title => 'Sessions idle in a transaction',
  healthy => 'No session sits idle in a transaction.',
  why => 'A client that forgot to commit holds its locks and holds back vacuum for as long as it likes; idle_in_transaction_session_timeout ends it.',
  unit => 'seconds', warning => 1800, critical => 3600, quick => true
);
