-- The history of sizes, rows, connections and durations, and what follows from it.
-- Why: one look says how things are; only many say since when, and for how much longer it can go on.
-- The health check notes them, since it looks all day long: the highest figures of a day are those from before its purge.

create or replace function nightshift.note_trends(as_of timestamptz, database_bytes bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  this_hour constant timestamptz := date_trunc('hour', as_of, 'UTC');
  last_hour constant timestamptz := (
    select max(p.at) from nightshift.trend_points p where p.kind = 'database' and p.subject = '' and p.at <= this_hour
  );
begin
  insert into nightshift.trend_points as p (kind, subject, at, bytes, connections, newest_oid)
  select 'database', '', this_hour, database_bytes, sum(d.numbackends),
    (select c.oid from pg_catalog.pg_class c order by c.oid desc limit 1)
  from pg_catalog.pg_stat_database d
  on conflict (kind, subject, at) do update set
    bytes = greatest(p.bytes, excluded.bytes),
    connections = greatest(p.connections, excluded.connections),
    newest_oid = greatest(p.newest_oid, excluded.newest_oid);
  if last_hour = this_hour then
    return;
  end if;
  perform nightshift.note_tables(this_hour);
  perform nightshift.note_durations();
  if date_trunc('day', last_hour, 'UTC') < date_trunc('day', as_of, 'UTC') then
    perform nightshift.trim_trends(as_of);
  end if;
end;
$$;

comment on function nightshift.note_trends is
  'Adds what is true now to nightshift.trend_points: the size of the database and its connections in each call, tables and durations in the first call of an hour; in the first of a day it also trims.';
