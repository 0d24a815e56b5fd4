create or replace function nightshift.partition_faults(parents oid[])
returns table (parent oid, exposed oid[], exposed_to text, oversized oid[])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  with granted_columns as materialized (
    select distinct d.objid
    from pg_catalog.pg_shdepend d
    where d.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
      and d.classid = 'pg_catalog.pg_class'::regclass and d.objsubid > 0 and d.deptype = 'a'
  ),
  part as materialized (
    select
      (select i.inhparent from pg_catalog.pg_inherits i where i.inhrelid = c.oid and i.inhparent = any(partition_faults.parents)) as parent,
      c.oid as partition, c.relnamespace, c.relacl is not null as is_granted, c.relrowsecurity, c.relpages, c.reltoastrelid
    from pg_catalog.pg_class c
    -- By one list: a look for each takes twice as long.
    where c.oid = any(array(select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = any(partition_faults.parents)))
      -- Without a grant, on itself or on a column, it is its owner's alone; and without a page nothing is in it.
      and (c.relacl is not null or c.relpages > 0 or c.oid in (select g.objid from granted_columns g))
  ),
  granted as materialized (
    select p.parent, p.partition, p.relnamespace, g.columns
    from part p
    cross join lateral (
      select false where p.is_granted
      union all
      select true where p.partition in (select c.objid from granted_columns c)
    ) g(columns)
    where not p.relrowsecurity or exists (select 1 from pg_catalog.pg_policy o where o.polrelid = p.partition)
  ),
  exposed as (
    select g.parent, g.partition, r.rolname
    from granted g
    join pg_catalog.pg_class t on t.oid = g.parent
    cross join nightshift.api_roles() a(oid)
    join pg_catalog.pg_roles r on r.oid = a.oid
    where has_schema_privilege(r.oid, g.relnamespace, 'usage')
      and case when g.columns then has_any_column_privilege(r.oid, g.partition, 'select, insert, update')
        else has_table_privilege(r.oid, g.partition, 'select, insert, update, delete') end
      and (
        t.relrowsecurity
        or exists (
          select 1 from unnest(array['select', 'insert', 'update', 'delete']) v(privilege)
          where has_table_privilege(r.oid, g.partition, v.privilege) and not has_table_privilege(r.oid, t.oid, v.privilege)
        )
      )
  ),
  -- As of their last vacuum or analyze: their files cannot be looked at without a lock.
  oversized as (
    select p.parent, p.partition
    from part p
    cross join nightshift.settings s
    cross join lateral (
      select p.relpages::bigint + coalesce((select t.relpages from pg_catalog.pg_class t where t.oid = p.reltoastrelid), 0)
    ) own(pages)
    -- The indexes are looked up where the rows, long values included, are a tenth of it.
    where p.relpages > 0
      and own.pages * current_setting('block_size')::bigint > s.partition_alert_bytes / 10
      and current_setting('block_size')::bigint * (
        own.pages
        + (select coalesce(sum(x.relpages), 0) from pg_catalog.pg_index n join pg_catalog.pg_class x on x.oid = n.indexrelid
          where n.indrelid = p.partition)
      ) > s.partition_alert_bytes
  )
  select
    t.parent,
    array(select distinct e.partition from exposed e where e.parent = t.parent),
    (select string_agg(distinct e.rolname, ' and ' order by e.rolname) from exposed e where e.parent = t.parent),
    array(select o.partition from oversized o where o.parent = t.parent)
  from (select parent from exposed union select parent from oversized) t;
end;
$$;

comment on function nightshift.partition_faults is
  'Of tables, the partitions that a role of the API can reach past the row level security or the grants of the table, policies of their own included (exposed), and those that were larger than settings.partition_alert_bytes when they were last analyzed (oversized).';
