create or replace function nightshift.read_partitions(parents oid[])
returns table (
  parent oid, partition oid, is_default boolean, pending boolean, from_bound text, to_bound text, lower timestamp, upper timestamp
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
#variable_conflict use_column
begin
  return query
  select
    p.parent::oid, c.oid, e.bounds is null, i.inhdetachpending, l.from_bound, l.to_bound,
    -- In UTC, what is printed of a date and of either kind of timestamp reads the same as a timestamp; but a date can lie
    -- where no timestamp does.
    case when a.atttypid = 'date'::regtype and l.from_bound <> 'MINVALUE' and trim(both '''' from l.from_bound)::date < '4713-01-01 BC' then '-infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.from_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.from_bound, 'MINVALUE', '-infinity'))::timestamp end,
    case when a.atttypid = 'date'::regtype and l.to_bound <> 'MAXVALUE' and trim(both '''' from l.to_bound)::date > '294276-01-01' then 'infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.to_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.to_bound, 'MAXVALUE', 'infinity'))::timestamp end
  from nightshift.partition_policies p
  join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent and t.partstrat = 'r' and t.partnatts = 1
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  join pg_catalog.pg_inherits i on i.inhparent = p.parent
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  -- Without the table, which a bound does not need, pg_get_expr takes no lock on it.
  cross join lateral (select nullif(pg_get_expr(c.relpartbound, 0), 'DEFAULT') offset 0) e(bounds)
  cross join lateral (
    select split_part(substr(e.bounds, 18), ') TO (', 1), rtrim(split_part(e.bounds, ') TO (', 2), ')')
  ) l(from_bound, to_bound)
  where p.parent::oid = any(read_partitions.parents);
end;
$$;

comment on function nightshift.read_partitions is
  'The partitions of tables with a policy: bounds as SQL has them, and as times in UTC; infinite without a bound, null for the default partition. pending: interrupted while being detached concurrently.';
