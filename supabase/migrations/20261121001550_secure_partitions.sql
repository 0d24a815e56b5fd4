-- How large partitions are and what they expose, and the way to close them.
-- Why: partitions inherit neither row level security nor the lack of a grant.
-- Locks: none on any existing object; at run time ACCESS EXCLUSIVE on each partition that is closed, for a moment.

create function nightshift.check_partition_sizes(parent regclass default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
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

create function nightshift.secure_partition(partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  execute format('alter table %s enable row level security', partition);
  for grantee in
    select 'public'
    union all
    select a::regrole::text from nightshift.api_roles() a
  loop
    execute format('revoke all on %s from %s cascade', partition, grantee);
  end loop;
end;
$$;

comment on function nightshift.secure_partition is
  'Takes a partition out of the reach of the API: row level security, and nothing granted to public and the roles of the API.';

create function nightshift.secure_partitions(parent regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  exposed oid[] := (select f.exposed from nightshift.partition_faults(array[secure_partitions.parent::oid]) f);
begin
  if not exists (select 1 from pg_catalog.pg_partitioned_table t where t.partrelid = parent) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a partitioned table', parent),
      hint = 'Name the table whose partitions are to be closed to the API.';
  end if;
  perform nightshift.secure_partition(p::regclass) from unnest(exposed) p;
  return (select coalesce(jsonb_agg(p::regclass::text order by p::regclass::text), '[]') from unnest(exposed) p);
end;
$$;

comment on function nightshift.secure_partitions is
  'Enables row level security on the partitions that the API exposes past their table, and revokes what anon and authenticated may do with them; through the table all stays as it is. For whoever owns the table. Locks each of them for a moment, waiting at most 1 s. Returns their names as a JSON array. Errors: NS422.';

revoke all on function
  nightshift.check_partition_sizes, nightshift.secure_partition, nightshift.secure_partitions
from public, anon, authenticated;
grant execute on function
  nightshift.check_partition_sizes
to service_role;
