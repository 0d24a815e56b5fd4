create or replace function nightshift.status_partitions(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  with listed as (
    select p.*, count(*) over () as total, row_number() over (order by p.parent::text) as place
    from nightshift.partition_policies p
    order by p.parent::text
    limit 200
  ),
  parents as (
    select array_agg(l.parent::oid) as oids, least(greatest(1500 / count(*), 4), 60) as room from listed l
  ),
  -- Once for all of them, as below: for each table alone it would read the partitions of all.
  assessed as materialized (
    select a.* from parents p cross join nightshift.assess_partitions(p.oids, status_partitions.as_of) a
  ),
  part as materialized (
    select r.parent, r.partition::regclass::text as name, r.lower, r.upper, 'attached' as state, null::timestamptz as drops_at,
      null::bigint as size_bytes
    from parents a cross join nightshift.read_partitions(a.oids) r
    where not r.is_default
    union all
    select d.parent::oid, d.partition_name, lower(d.period), upper(d.period), 'retired', d.drop_after, d.size_bytes
    from nightshift.retired_partitions d
    where d.status = 'detached' and d.parent in (select l.parent from listed l)
  ),
  ranked as (
    select p.*, row_number() over (partition by p.parent order by p.upper desc nulls last, p.name) as newest,
      row_number() over (partition by p.parent order by p.drops_at, p.name) as next_drop
    from part p
  ),
  per_table as (
    select r.parent, count(*) as total, count(r.drops_at) as drops,
      jsonb_agg(jsonb_build_object(
        'name', r.name, 'from', nullif(r.lower, '-infinity') at time zone 'UTC', 'to', nullif(r.upper, 'infinity') at time zone 'UTC',
        'state', r.state, 'dropsAt', r.drops_at
      ) order by r.newest desc) filter (where r.newest <= a.room) as shown,
      jsonb_agg(jsonb_build_object('name', r.name, 'dropsAt', r.drops_at, 'sizeBytes', r.size_bytes) order by r.next_drop)
        filter (where r.drops_at is not null and r.next_drop <= 10) as next_drops
    from ranked r cross join parents a
    group by r.parent
  ),
  counted as (
    select h.document -> 'findings' as findings, h.document ->> 'findingsTotal' as total,
      (h.document ->> 'level' = 'unknown' and h.document #> '{findings,0,subject}' = 'null') as failed
    from nightshift.health_results h
    where h.check_name = 'default_partition_rows'
  )
  select jsonb_build_object('total', coalesce(max(l.total), 0), 'items', coalesce(jsonb_agg(jsonb_build_object(
    'table', coalesce(c.oid::regclass::text, l.parent_name),
    'enabled', l.enabled,
    'interval', case when l.every < '1 day' then format('%s hours', extract(hour from l.every)) else l.every::text end,
    'retention', l.retention::text,
    'horizon', case when isfinite(a.horizon) then a.horizon at time zone 'UTC' end,
    'endless', coalesce(not isfinite(a.horizon), false),
    'defaultPartitionRows', case when a.default_partition is not null then (
      select case
        when k.failed then null
        when f.value is not null then (f.value ->> 'value')::bigint
        -- A table that is in order is not in the list, nor is one for which the list has no room.
        when k.total::integer = jsonb_array_length(k.findings) then 0
      end
      from counted k
      left join lateral (
        select n.value from jsonb_array_elements(k.findings) n where n.value ->> 'subject' = l.parent::text
      ) f on true
    ) end,
    'partitions', coalesce(t.shown, '[]'),
    'partitionsTotal', coalesce(t.total, 0),
    'nextDrops', coalesce(t.next_drops, '[]'),
    'nextDropsTotal', coalesce(t.drops, 0),
    'problem', case
      when c.oid is null then 'Its table is gone.'
      when a.key_column is null then 'It is not partitioned by range of one column any more.'
    end
  ) order by l.place), '[]'))
  from listed l
  left join pg_catalog.pg_class c on c.oid = l.parent
  left join assessed a on a.parent = l.parent::oid
  left join per_table t on t.parent = l.parent::oid;
$$;

comment on function nightshift.status_partitions is
  'The section partitions of the snapshot: of each table with a partition policy the newest partitions, those retired among them, how far they reach, what will be dropped next, and what the health check default_partition_rows last counted. It reads the catalogs and takes no lock.';
