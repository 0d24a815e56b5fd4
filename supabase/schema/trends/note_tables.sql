-- Locks: at run time ACCESS SHARE on each table and its indexes, one after the other, while their files are asked for their size.

create or replace function nightshift.note_tables(this_hour timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  -- The checks behind it have the same statement.
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  rows_left constant jsonb := (
    select coalesce(jsonb_object_agg(s.relation, s.step -> 'rowsLeft'), '{}')
    from nightshift.purge_steps(clock_timestamp(), false, 10) s
    where s.place = 1
  );
  chosen record;
begin
  for chosen in select t.relation, t.leaves from nightshift.tables_of_trends() t loop
    exit when clock_timestamp() > stop_at;
    begin
      insert into nightshift.trend_points (kind, subject, at, bytes, live_rows, dead_rows, rows_left)
      select 'table', chosen.relation::text, this_hour,
        sum(pg_total_relation_size(c.oid)),
        -- One that was never analyzed has -1, and a partitioned table counts its partitions once more.
        sum(c.reltuples) filter (where c.relkind <> 'p' and c.reltuples >= 0),
        sum(pg_stat_get_dead_tuples(c.oid)),
        (rows_left ->> chosen.relation::text)::bigint
      from pg_catalog.pg_class c
      where c.oid = any(chosen.leaves)
      having count(*) > 0
      on conflict do nothing;
    exception
      -- Whoever has it locked is rebuilding it, and the next hour sees what became of it.
      when lock_not_available then
        null;
    end;
  end loop;
end;
$$;

comment on function nightshift.note_tables is
  'Notes size, rows and dead rows of the tables of tables_of_trends for an hour, for at most about a second; what is locked, or is behind that second, is left out until the next hour. Rows are never counted.';
