create or replace function nightshift.counted_until(as_of timestamptz default now())
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- A session adds what it wrote to the counters when it comes to rest between transactions, and within a minute of
    -- that even where it has to wait for others; one that is at work may still owe what it wrote just before.
    select least(
      counted_until.as_of, now(),
      min(case a.state when 'disabled' then a.backend_start else least(a.xact_start, a.query_start) end)
    ) - interval '1 minute'
    from pg_catalog.pg_stat_activity a
    where a.datname = current_database()
      and a.pid <> pg_backend_pid()
      and a.state is distinct from 'idle'
      and a.backend_type not in ('autovacuum worker', 'walsender', 'parallel worker')
  );
end;
$$;

comment on function nightshift.counted_until is
  'All rows written before this moment are in the counters that view_state reads afterwards: one minute before as_of, or one minute before the oldest transaction or statement that is still open.';
