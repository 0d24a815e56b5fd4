-- Health check blocked_sessions: how long sessions of this database have waited for a lock, and for whom.
-- Why: behind one that waits queue all that come later; ending the one in front lets all of them go.
-- Locks: none; for those that wait it asks the lock manager who is in front of them.

create or replace function nightshift.health_blocked_sessions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  -- There may be very many locks, and mostly nobody waits for any.
  if not exists (
    select from pg_catalog.pg_stat_activity a where a.wait_event_type = 'Lock' and a.datname = current_database()
  ) then
    return;
  end if;

  return query
  with recursive session as materialized (
    select a.pid, a.datname, a.usename, a.application_name, a.state, a.query_start from pg_catalog.pg_stat_activity a
  ),
  waiting as materialized (
    select l.pid, coalesce(l.waitstart, s.query_start) as since,
      coalesce(s.application_name, '') as application_name, s.usename, l.mode,
      case when l.database = d.oid then l.relation end as relation, l.locktype,
      row_number() over (order by coalesce(l.waitstart, s.query_start)) as place
    from pg_catalog.pg_locks l
    join session s on s.pid = l.pid
    join pg_catalog.pg_database d on d.datname = s.datname
    where not l.granted and s.datname = current_database()
  ),
  -- Each answer stops the lock manager for a moment: those who have waited longest are enough to find out who is in front.
  edge as materialized (
    select w.pid, b.pid as blocker, f.since as blocker_waits_since
    from waiting w
    cross join lateral (select distinct u.pid from unnest(pg_blocking_pids(w.pid)) u(pid)) b
    left join waiting f on f.pid = b.pid
    where w.place <= 100
  ),
  next as (
    select distinct on (e.pid) e.pid, e.blocker, e.blocker_waits_since
    from edge e
    order by e.pid, e.blocker_waits_since nulls first, e.blocker
  ),
  way as (
    select n.pid, n.blocker, n.blocker_waits_since from next n
    union
    select w.pid, n.blocker, n.blocker_waits_since from way w join next n on n.pid = w.blocker
  ),
  front as (
    select w.pid, w.blocker, s.state, s.pid is null as is_prepared
    from way w
    left join session s on s.pid = w.blocker
    where w.blocker_waits_since is null
  )
  select
    format('pid %s', w.pid),
    greatest(round(extract(epoch from as_of - w.since)), 0),
    format('%s as %s waits for %s on %s%s', coalesce(nullif(w.application_name, ''), 'no application name'), w.usename, w.mode,
      coalesce(w.relation::regclass::text, 'a ' || w.locktype), '; blocked by ' || (
        select string_agg(case e.blocker when 0 then 'a prepared transaction' else 'pid ' || e.blocker end, ', ' order by e.blocker)
        from (select * from edge where edge.pid = w.pid order by edge.blocker_waits_since nulls first, edge.blocker limit 5) e
      )),
    case
      when f.blocker = 0 then 'select gid, prepared, owner, database from pg_prepared_xacts order by prepared;'
      -- Where nothing runs there is nothing to cancel.
      when f.state = 'active' then format('select pg_cancel_backend(%s);', f.blocker)
      when f.blocker is not null then format('select pg_terminate_backend(%s);', f.blocker)
      else format('select pg_blocking_pids(%s);', w.pid)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from waiting w
  left join front f on f.pid = w.pid;
end;
$$;

comment on function nightshift.health_blocked_sessions is
  'Seconds that each session of this database has waited for a lock. The fix cancels, or where it is idle ends, the session in front that waits for nobody itself. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'blocked_sessions',
  title => 'Sessions that wait for a lock',
  healthy => 'No session waits long for a lock.',
  why => 'Behind one that waits for a lock queue all that come after it, until the connections are used up.',
  unit => 'seconds', warning => 300, critical => 600, quick => true
);
