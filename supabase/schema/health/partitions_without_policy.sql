create or replace function nightshift.partitions_without_policy()
returns table (parent oid, newest oid, ends_at timestamp, days numeric, has_default boolean, is_switched_off boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
begin
  return query
  select distinct on (t.partrelid)
    t.partrelid, c.oid, e.ends_at,
    -- Before version 17 Postgres subtracts nothing from infinity.
    case when isfinite(e.ends_at) then extract(epoch from e.ends_at - e.begins_at) / 86400 end,
    t.partdefid <> 0, p.parent is not null
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  left join nightshift.partition_policies p on p.parent::oid = t.partrelid
  join pg_catalog.pg_inherits i on i.inhparent = t.partrelid and not i.inhdetachpending
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  cross join lateral (select regexp_match(pg_get_expr(c.relpartbound, 0), '^FOR VALUES FROM \((.*)\) TO \((.*)\)$') offset 0) b(bounds)
  cross join lateral (
    select trim(both '''' from nullif(b.bounds[1], 'MINVALUE')) as begins_at, trim(both '''' from b.bounds[2]) as ends_at
  ) l
  cross join lateral (
    select
      -- Before and after these years there are dates, but no timestamps.
      case when l.begins_at !~ '^\d{4}-' then null else l.begins_at::timestamp end as begins_at,
      case when l.ends_at !~ '^\d{4}-' then 'infinity' else l.ends_at::timestamp end as ends_at
  ) e
  where t.partstrat = 'r' and t.partnatts = 1
    and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    and p.enabled is not true
    and t.partrelid in (select o from nightshift.application_tables() o)
    and b.bounds is not null
    -- A part of a partition ends where that does.
    and not exists (
      select 1
      from pg_catalog.pg_partition_ancestors(t.partrelid) f(relid)
      where f.relid <> t.partrelid and (nightshift.partition_key(f.relid)).column_name = a.attname
    )
  order by t.partrelid, e.ends_at desc;
end;
$$;

comment on function nightshift.partitions_without_policy is
  'The tables of the application that are partitioned by range of a date or timestamp and have no enabled partition policy: their last partition, when it ends in UTC, how many days it holds, whether there is a default partition, and whether a policy is switched off. Those without any partition but the default are left out: nobody knows what is to be there.';
