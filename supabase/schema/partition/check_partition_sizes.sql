create or replace function nightshift.check_partition_sizes(parent regclass default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
set jit = off
as $$
declare
  parents oid[] := array(
    select p.parent::oid from nightshift.partition_policies p
    where check_partition_sizes.parent is null or p.parent = check_partition_sizes.parent
  );
begin
  if parent is not null and parents = '{}' then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'table', r.parent::regclass::text,
      'partition', r.partition::regclass::text,
      'isDefault', r.is_default,
      'from', nullif(r.lower, '-infinity') at time zone 'UTC',
      'to', nullif(r.upper, 'infinity') at time zone 'UTC',
      'sizeBytes', z.bytes,
      'oversized', z.bytes > s.partition_alert_bytes,
      'rows', greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint,
      'deadRows', pg_stat_get_dead_tuples(c.oid),
      'rowLevelSecurity', c.relrowsecurity,
      'exposed', coalesce(c.oid = any(f.exposed), false)
    ) order by r.parent::regclass::text, r.is_default, r.lower), '[]')
    from nightshift.read_partitions(parents) r
    join pg_catalog.pg_class c on c.oid = r.partition
    cross join lateral pg_total_relation_size(c.oid) z(bytes)
    cross join nightshift.settings s
    left join nightshift.partition_faults(parents) f on f.parent = r.parent
  );
end;
$$;

comment on function nightshift.check_partition_sizes is
  'Each partition of the tables with a policy, or of one of them, as one JSON array: table, partition, isDefault, from and to (null without a bound), sizeBytes with indexes, oversized (over settings.partition_alert_bytes, default 10 GB), rows and deadRows as Postgres estimates them, rowLevelSecurity, exposed (anon or authenticated reach it past the table). Errors: NS404; 55P03 when a partition is locked for more than a second.';
