-- Health check oversized_partitions: partitions that have outgrown what a partition is good for.
-- Why: a partition that does not fit into memory is read, vacuumed and backed up like the large table it was to replace.

create or replace function nightshift.health_oversized_partitions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    c.oid::regclass::text,
    (c.relpages + coalesce(t.relpages, 0) + coalesce(x.pages, 0)) * current_setting('block_size')::numeric,
    format('of %s, with indexes, as of its last vacuum or analyze', i.inhparent::regclass),
    case when exists (select 1 from nightshift.partition_policies p where p.parent = i.inhparent)
      -- How long an interval should be is for people to say; this shows what the last ones came to.
      then format('select nightshift.check_partition_sizes(%L);', i.inhparent::regclass)
      else format('select inhrelid::regclass, pg_size_pretty(pg_total_relation_size(inhrelid)) from pg_inherits '
        || 'where inhparent = %L::regclass order by 1;', i.inhparent::regclass) end,
    null::numeric, s.partition_alert_bytes::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  join pg_catalog.pg_inherits i on i.inhrelid = c.oid
  cross join nightshift.settings s
  left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
  left join lateral (
    select sum(ic.relpages) as pages
    from pg_catalog.pg_index ix
    join pg_catalog.pg_class ic on ic.oid = ix.indexrelid
    where ix.indrelid = c.oid
  ) x on true
  where c.relispartition and c.relkind = 'r' and c.relpersistence <> 't'
    and c.relowner in (select o from nightshift.application_owners() o)
    and not exists (
      select 1 from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.inhparent and d.deptype = 'e'
    );
end;
$$;

comment on function nightshift.health_oversized_partitions is
  'Bytes of each partition of the application with its indexes, by the pages that Postgres counted last; the threshold is settings.partition_alert_bytes. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'oversized_partitions',
  title => 'Oversized partitions',
  healthy => 'No partition is over the limit of settings.partition_alert_bytes.',
  why => 'A partition that outgrows memory is as slow to read, vacuum and restore as the table it was to replace.',
  unit => 'bytes'
);
