-- Health check unused_indexes: indexes that no query has read since statistics began.
-- Why: each one is written with every row, and keeps updates from being heap-only.

create or replace function nightshift.health_unused_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  -- A month's end, and the days around it: what is read once a month has been read by then.
  with recursive observed(days) as (select 35),
  part(index, root) as (
    select c.oid, c.oid from pg_catalog.pg_class c where c.relkind = 'I' and not c.relispartition
    union all
    select i.inhrelid, p.root
    from part p
    join pg_catalog.pg_inherits i on i.inhparent = p.index
  ),
  -- One that makes rows unique, as that of a primary key and of a replica identity does, works without being read.
  unread as materialized (
    select x.indexrelid as index, c.relpages as pages
    from pg_catalog.pg_class c
    join pg_catalog.pg_index x on x.indexrelid = c.oid
    where c.relkind = 'i' and not c.relispartition
      -- Smaller ones cost nothing.
      and c.relpages > 16
      and x.indrelid >= 16384::oid and not x.indisunique and not x.indisexclusion
      and pg_stat_get_numscans(c.oid) = 0
    union all
    -- A partitioned index is one: it is in use when any of its parts is.
    select p.root, sum(c.relpages)
    from part p
    join pg_catalog.pg_class c on c.oid = p.index
    join pg_catalog.pg_index x on x.indexrelid = p.root
    where not x.indisunique and not x.indisexclusion
    group by p.root
    having sum(c.relpages) > 16 and sum(pg_stat_get_numscans(c.oid)) = 0
  ),
  -- A crash empties the statistics of the tables, and is to be seen in those of the server.
  began(at) as (
    select coalesce(pg_stat_get_db_stat_reset_time(d.oid), pg_stat_get_bgwriter_stat_reset_time())
    from pg_catalog.pg_database d
    where d.datname = current_database()
  ),
  -- Numbers of objects ascend: what is above the highest of a day was made since.
  known(newest_oid) as (
    select p.newest_oid
    from nightshift.trend_points p, observed o
    cross join lateral (
      select (p.at at time zone 'UTC')::date - (health_unused_indexes.as_of at time zone 'UTC')::date + o.days
    ) d(later)
    where p.kind = 'database' and p.subject = '' and p.newest_oid is not null
    order by d.later > 0, abs(d.later), p.at desc
    limit 1
  )
  select
    'all indexes', null::numeric,
    format('Not known yet: statistics began on %s, and what is read once a month may not have been read since', to_char(b.at, 'YYYY-MM-DD')),
    null::text, null::numeric, null::numeric, null::numeric, null::text
  from began b, observed o
  where b.at > health_unused_indexes.as_of - make_interval(days => o.days)
  union all
  select
    u.index::regclass::text,
    u.pages * current_setting('block_size')::bigint,
    -- Nobody knows when an index was made that is older than Nightshift's notes, so this is never more than advice.
    format('on %s; not read since statistics began, %s (%s days ago), or since it was made; what replicas read does not count',
      t.oid::regclass, to_char(b.at, 'YYYY-MM-DD'), extract(day from health_unused_indexes.as_of - b.at)),
    format('drop index %s%s;', case when c.relkind <> 'I' then 'concurrently ' end, c.oid::regclass),
    null::numeric, null::numeric, null::numeric, null::text
  from unread u
  cross join observed o
  join began b on b.at <= health_unused_indexes.as_of - make_interval(days => o.days)
  join pg_catalog.pg_class c on c.oid = u.index
  join pg_catalog.pg_index x on x.indexrelid = u.index
  join pg_catalog.pg_class t on t.oid = x.indrelid
  where x.indisvalid and x.indislive
    and (u.index <= (select k.newest_oid from known k)) is not false
    and t.oid in (select a from nightshift.application_tables() a)
    -- What another check says to drop, or relies on.
    and u.index not in (select unnest(array[r.index, r.other]) from nightshift.redundant_indexes() r)
    and u.index not in (select p from nightshift.parts_of_invalid_indexes() p)
    -- What a foreign key or a retention policy relies on, however seldom: without it they would be reported.
    and not exists (
      select 1 from pg_catalog.pg_constraint k
      where k.conrelid = t.oid and k.contype = 'f' and x.indkey[0] = any(k.conkey)
    )
    and not exists (
      select 1 from nightshift.retention_policies r
      join pg_catalog.pg_attribute a on a.attrelid = r.relation and a.attname = r.marker_column
      where r.relation = t.oid and a.attnum = any((x.indkey::smallint[])[0:x.indnkeyatts - 1])
    );
end;
$$;

comment on function nightshift.health_unused_indexes is
  'The size of each index over 128 kB, as of its last vacuum, that was never read; a partitioned index is one, with the size of all its parts. Not: unique ones, those that a foreign key or a retention policy relies on, those that duplicate_indexes or invalid_indexes speaks of, and those known to be made in the last 35 days; none while statistics are younger than 35 days. Advice only: nobody knows when an older index was made. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'unused_indexes',
  title => 'Indexes nobody reads',
  healthy => 'Every index of some size is read.',
  why => 'Each index makes every write slower and takes disk and memory; one that no query reads gives nothing for it.',
  unit => 'bytes', info => 10485760
);
