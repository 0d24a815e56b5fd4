-- Health check connections: how much of each limit on connections is in use: of the server, this database, each role.
-- Why: at the limit every new request is refused, those of the night shift among them.

create or replace function nightshift.health_connections(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    'all connections',
    round(100.0 * count(*) / room.slots, 1),
    format('%s of %s: %s active, %s idle, %s idle in transaction', count(*), room.slots,
      count(*) filter (where a.state = 'active'),
      count(*) filter (where a.state = 'idle'),
      count(*) filter (where a.state like 'idle in transaction%')),
    'select usename, application_name, state, count(*) from pg_stat_activity where backend_type = ''client backend'' group by 1, 2, 3 order by 4 desc;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  cross join (
    select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true)::integer, 0) as slots
  ) room
  where a.backend_type = 'client backend'
  group by room.slots
  union all
  -- Postgres holds no superuser to these.
  select
    format('database %I', d.datname),
    round(100.0 * count(a.pid) / d.datconnlimit, 1),
    format('%s of %s, the connection limit of the database', count(a.pid), d.datconnlimit),
    format('alter database %I connection limit %s; -- or end some of its sessions', d.datname, 2 * d.datconnlimit),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_database d
  left join pg_catalog.pg_stat_activity a on a.datid = d.oid and a.backend_type = 'client backend'
  where d.datname = current_database() and d.datconnlimit > 0
  group by d.datname, d.datconnlimit
  union all
  select
    format('role %I', r.rolname),
    round(100.0 * count(a.pid) / r.rolconnlimit, 1),
    format('%s of %s, the connection limit of the role', count(a.pid), r.rolconnlimit),
    format('alter role %I connection limit %s; -- or end some of its sessions', r.rolname, 2 * r.rolconnlimit),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_roles r
  left join pg_catalog.pg_stat_activity a on a.usesysid = r.oid and a.backend_type = 'client backend'
  where r.rolconnlimit > 0 and not r.rolsuper and r.rolcanlogin
  group by r.rolname, r.rolconnlimit;
end;
$$;

comment on function nightshift.health_connections is
  'Client connections in percent of max_connections less those reserved (superuser_reserved_connections, reserved_connections), and of the connection limits of this database and of each role, where there are any. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'connections',
  title => 'Connections in use',
  healthy => 'There is room for more connections.',
  why => 'At the limit every new connection is refused; a pool that leaks them gets there overnight.',
  unit => 'percent', warning => 80, critical => 95, quick => true
);
