-- The state of partitioned tables: what is missing, what is due, what is wrong.
-- Why: one look at the catalogs for all tables, so that a night on which nothing is due costs next to nothing. Postgres
--      expects far more rows than there are, and would compile the queries (jit) for longer than they run.
-- Locks: none on those of the application.

create or replace function nightshift.assess_partitions(parents oid[], as_of timestamptz default now())
returns setof nightshift.partition_state
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  with part as materialized (
    select r.* from nightshift.read_partitions(assess_partitions.parents) r
  ),
  clock as (
    select
      p.parent, p.every, p.retention,
      assess_partitions.as_of at time zone 'UTC' as now,
      nightshift.interval_start(p.every, assess_partitions.as_of at time zone 'UTC') as begun,
      -- No caller can make a partition due before its time.
      least(assess_partitions.as_of, now()) at time zone 'UTC' - p.retention as cutoff,
      p.premake
    from nightshift.partition_policies p
    where p.parent::oid = any(assess_partitions.parents)
  ),
  -- Many partitions have the same few bounds.
  on_grid as materialized (
    select b.every, b.lower
    from (select distinct c.every, r.lower from part r join clock c on c.parent::oid = r.parent where isfinite(r.lower) offset 0) b
    where b.lower = nightshift.interval_start(b.every, b.lower)
  ),
  span as (
    select
      r.parent,
      coalesce(range_agg(tsrange(r.lower, r.upper)) filter (where not r.is_default), '{}') as held,
      min(case when isfinite(r.lower) then r.lower else r.upper end) as first,
      max(r.partition) filter (where r.is_default) as default_partition,
      (array_agg(r.partition order by r.upper desc) filter (where not r.is_default))[1] as newest,
      count(*) filter (where not r.is_default) as partitions,
      count(*) filter (where r.lower <= c.now) as begun_partitions,
      array_agg(r.partition) filter (where r.pending) as pending,
      array_agg(r.partition order by r.lower) filter (
        where not r.is_default and (g.lower is null or r.upper <> r.lower + c.every)
      ) as odd,
      array_agg(r.partition order by r.upper) filter (where r.upper <= c.cutoff and not r.pending) as past
    from part r
    join clock c on c.parent::oid = r.parent
    left join on_grid g on g.every = c.every and g.lower = r.lower
    group by r.parent
  ),
  detached as (
    select d.parent::oid as parent, range_agg(d.period) as held
    from nightshift.retired_partitions d
    join pg_catalog.pg_class c on c.oid = d.partition and not c.relispartition
    where d.status in ('detaching', 'detached')
    group by d.parent
  ),
  window_of as (
    select
      c.*, s.first,
      -- What would be due at once is not made, nor more than 1,000 partitions back.
      greatest(
        least(s.first, c.begun),
        case when c.cutoff is not null then nightshift.interval_start(c.every, c.cutoff) end,
        c.begun - 1000 * c.every
      ) as lower,
      c.begun + (c.premake + 1) * c.every as upper
    from clock c
    left join span s on s.parent = c.parent::oid
  ),
  kept as (
    select p.parent, array_agg(p.partition) as partitions
    from (select s.parent, unnest(s.past) as partition from span s) p
    where exists (
      select 1 from nightshift.retired_partitions d
      where d.partition::oid = p.partition and d.status in ('detached', 'reattached')
    )
    group by p.parent
  )
  select
    c.parent::oid, k.column_name, k.type, c.begun, c.cutoff,
    coalesce(s.held, '{}'),
    -- Nor what an odd bound cuts off the interval of the cutoff: it would be due at once as well.
    (
      select coalesce(range_agg(m.period), '{}')
      from unnest(tsmultirange(tsrange(c.lower, c.upper)) - coalesce(s.held, '{}') - coalesce(d.held, '{}')) m(period)
      where (upper(m.period) <= c.cutoff) is not true
    ),
    tsmultirange(tsrange(least(c.first, c.lower), c.lower)) - coalesce(s.held, '{}') - coalesce(d.held, '{}'),
    coalesce(d.held, '{}'),
    (select upper(h.period) from unnest(s.held) h(period) where h.period @> c.now),
    s.default_partition, s.newest, coalesce(s.newest = any(s.past), false), coalesce(s.partitions, 0)::integer, coalesce(s.begun_partitions, 0)::integer,
    array(
      select p.partition
      from unnest(s.past) with ordinality p(partition, position)
      join pg_catalog.pg_class r on r.oid = p.partition and r.relkind = 'r'
      where p.partition <> s.newest and p.partition <> all(coalesce(o.partitions, '{}'))
      order by p.position
    ),
    coalesce(o.partitions, '{}'), coalesce(s.odd, '{}'), coalesce(s.pending, '{}')
  from window_of c
  left join (
    select t.partrelid, a.attname as column_name, a.atttypid::regtype as type
    from pg_catalog.pg_partitioned_table t
    join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
    where t.partstrat = 'r' and t.partnatts = 1
  ) k on k.partrelid = c.parent
  left join span s on s.parent = c.parent::oid
  left join detached d on d.parent = c.parent::oid
  left join kept o on o.parent = c.parent::oid;
end;
$$;

comment on function nightshift.assess_partitions is
  'For tables with a policy, all times in UTC: what their partitions hold (held), what there ought to be up to the horizon and is not (missing: the present interval, premake more, and the gaps since the first partition that is not due; without what a retired partition holds, that could come back), gaps that are left (left_out: due at once, or more than 1,000 intervals back), what the detached ones held that are still there (detached), until when there is a partition without a gap (horizon; null when now has none), partitions to be retired (due: they ended before cutoff; never the newest), those due but attached again by hand (kept), off the grid of the policy (odd), or half detached (pending). Without a key the table is no longer what the policy was made for.';
