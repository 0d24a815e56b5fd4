create or replace function nightshift.read_partitions(parents oid[])
returns table (
  parent oid, partition oid, is_default boolean, pending boolean, from_bound text, to_bound text, lower timestamp, upper timestamp
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- Postgres expects ten tables, and would compare each of thousands of partitions with each.
set enable_hashjoin = on
set enable_nestloop = off
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
#variable_conflict use_column
begin
  return query
  with link as materialized (
    select i.inhparent, i.inhrelid, i.inhdetachpending
    from pg_catalog.pg_inherits i
    where i.inhparent = any(read_partitions.parents)
  ),
  leaf as materialized (
    -- Without the table, which a bound does not need, pg_get_expr takes no lock on it.
    select c.oid, pg_get_expr(c.relpartbound, 0) as bounds
    from pg_catalog.pg_class c
    -- By one list: a look for each takes twice as long.
    where c.oid = any(array(select l.inhrelid from link l))
  ),
  key as materialized (
    select p.parent::oid as parent, p.epoch, (
      select a.atttypid::regtype
      from pg_catalog.pg_attribute a
      where a.attrelid = p.parent and a.attnum = (
        select t.partattrs[0] from pg_catalog.pg_partitioned_table t
        where t.partrelid = p.parent and t.partstrat = 'r' and t.partnatts = 1
      )
    ) as type
    from nightshift.partition_policies p
    where p.parent::oid = any(read_partitions.parents)
  ),
  part as materialized (
    select k.parent, c.oid as partition, l.inhdetachpending, c.bounds, k.type, k.epoch
    from key k
    join link l on l.inhparent = k.parent
    join leaf c on c.oid = l.inhrelid
    where k.type is not null
  ),
  -- Many partitions have the same few bounds.
  bound as materialized (
    select b.*, l.*,
      -- In UTC, what is printed of a date and of either kind of timestamp reads the same as a timestamp; but a date can lie
      -- where no timestamp does.
      case when b.type = 'date'::regtype and l.from_bound <> 'MINVALUE' and trim(both '''' from l.from_bound)::date < '4713-01-01 BC' then '-infinity'
        when b.type in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.from_bound, b.type, b.epoch)
        else trim(both '''' from replace(l.from_bound, 'MINVALUE', '-infinity'))::timestamp end as lower,
      case when b.type = 'date'::regtype and l.to_bound <> 'MAXVALUE' and trim(both '''' from l.to_bound)::date > '294276-01-01' then 'infinity'
        when b.type in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.to_bound, b.type, b.epoch)
        else trim(both '''' from replace(l.to_bound, 'MAXVALUE', 'infinity'))::timestamp end as upper
    from (select distinct p.bounds, p.type, p.epoch from part p) b
    cross join lateral (select nullif(b.bounds, 'DEFAULT')) r(range)
    cross join lateral (
      select split_part(substr(r.range, 18), ') TO (', 1), rtrim(split_part(r.range, ') TO (', 2), ')')
    ) l(from_bound, to_bound)
  )
  select p.parent, p.partition, p.bounds = 'DEFAULT', p.inhdetachpending, b.from_bound, b.to_bound, b.lower, b.upper
  from part p
  join bound b on b.bounds = p.bounds and b.type = p.type and b.epoch is not distinct from p.epoch;
end;
$$;

comment on function nightshift.read_partitions is
  'The partitions of tables with a policy: bounds as SQL has them, and as times in UTC; infinite without a bound, null for the default partition. pending: interrupted while being detached concurrently.';
