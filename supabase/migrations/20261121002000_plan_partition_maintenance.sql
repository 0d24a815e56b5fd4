-- The plan of partition maintenance: what a run will do to which table, and what there is to see.
-- Why: one call for all tables, so that a night on which nothing is due is one look and no DDL.
-- Locks: none on any existing object; at run time none on those of the application, but for measure_default_partition,
--        which reads the partition.

create function nightshift.list_partition_policies(as_of timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  parents oid[] := array(select p.parent::oid from nightshift.partition_policies p);
begin
  return (
    select coalesce(jsonb_agg(s.document || jsonb_build_object(
      'partitionList', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'partition', r.partition::regclass::text,
          'from', nullif(r.lower, '-infinity') at time zone 'UTC',
          'to', nullif(r.upper, 'infinity') at time zone 'UTC',
          'isDefault', r.is_default,
          'isPending', r.pending
        ) order by r.is_default, r.lower), '[]')
        from nightshift.read_partitions(array[s.parent::oid]) r
      ),
      'retired', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'partition', d.partition_name,
          'from', nullif(lower(d.period), '-infinity') at time zone 'UTC',
          'to', upper(d.period) at time zone 'UTC',
          'sizeBytes', d.size_bytes,
          'dropAfter', d.drop_after,
          'keptBecause', case when d.drop_after <= as_of then nightshift.why_not_drop(d, as_of) end
        ) order by d.period), '[]')
        from nightshift.retired_partitions d
        where d.parent = s.parent and d.status = 'detached'
      )
    ) order by s.parent::text), '[]')
    from nightshift.describe_partition_sets(parents, as_of) s
  );
end;
$$;

comment on function nightshift.list_partition_policies is
  'Every policy with the state of its table (see describe_partition_sets), its partitions (partitionList: partition, from, to, isDefault, isPending: half detached) and those retired that are still there (retired: partition, from, to, sizeBytes, dropAfter, keptBecause), as one JSON array.';

create function nightshift.plan_partition_maintenance(run_id uuid, fence bigint, only_tables text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  unknown text;
  chosen oid[];
begin
  select string_agg(o, ', ') into unknown
  from unnest(only_tables) o
  where not exists (
    select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No partition policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.parent::text, ', ' order by p.parent::text) from nightshift.partition_policies p), 'no table')),
      hint = 'Name tables with their schema and with quotes where SQL needs them, like public."DailyMetrics".';
  end if;
  chosen := array(
    select p.parent::oid from nightshift.partition_policies p
    where p.enabled
      and (only_tables is null or p.parent in (select nightshift.find_relation(o) from unnest(only_tables) o))
  );
  if not run.dry_run then
    -- What people did meanwhile, by hand.
    update nightshift.retired_partitions d
    set status = case when c.oid is null then 'gone' else 'reattached' end, ended_at = clock_timestamp()
    from nightshift.retired_partitions r
    left join pg_catalog.pg_class c on c.oid = r.partition
    where r.id = d.id and d.status = 'detached' and (c.oid is null or c.relispartition);
  end if;

  return jsonb_build_object(
    'tables', (
      select coalesce(jsonb_agg(s.document order by s.parent::text), '[]')
      from nightshift.describe_partition_sets(chosen, run.started_at) s
    ),
    'drops', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'partition', d.partition_name,
        'table', d.parent::text,
        'sizeBytes', d.size_bytes,
        'keptBecause', nightshift.why_not_drop(d, run.started_at),
        'hasForeignKeys', exists (
          select 1 from pg_catalog.pg_constraint k where k.conrelid = d.partition and k.contype = 'f'
        )
      ) order by d.period), '[]')
      from nightshift.retired_partitions d
      where d.status = 'detached' and d.drop_after <= least(run.started_at, now()) and d.parent::oid = any(chosen)
    ),
    'unfinished', (
      select coalesce(jsonb_agg(jsonb_build_object('partition', d.partition_name, 'table', d.parent::text) order by d.id), '[]')
      from nightshift.retired_partitions d
      -- Also of a policy that was removed or switched off since.
      where d.status = 'detaching' and (d.parent::oid = any(chosen) or only_tables is null)
    ),
    'disabled', (
      select coalesce(jsonb_agg(p.parent::text order by p.parent::text), '[]')
      from nightshift.partition_policies p
      where not p.enabled and (only_tables is null or p.parent in (select nightshift.find_relation(o) from unnest(only_tables) o))
    )
  );
end;
$$;

comment on function nightshift.plan_partition_maintenance is
  'The tables with an enabled policy and their state (tables: see describe_partition_sets), retired partitions whose grace period is over (drops; keptBecause says why one stays), detaches that were interrupted (unfinished), and tables whose policy is switched off. only_tables: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';

create function nightshift.measure_default_partition(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set row_security = off
set timezone = 'UTC'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  total bigint := 0;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(table_name);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  if state.default_partition is null then
    return null;
  end if;
  if pg_relation_size(state.default_partition) > 0 then
    execute format('select count(*) from only %s', state.default_partition::regclass) into total;
  end if;
  return (
    select jsonb_build_object(
      'partition', state.default_partition::regclass::text,
      'rows', total,
      'movableRows', least(coalesce(sum(w.row_count), 0), total),
      'wanted', coalesce(jsonb_agg(jsonb_build_object(
        'from', lower(w.piece) at time zone 'UTC', 'to', upper(w.piece) at time zone 'UTC', 'rows', w.row_count
      ) order by w.piece), '[]')
    )
    from nightshift.partitions_wanted(policy, state) w
  );
end;
$$;

comment on function nightshift.measure_default_partition is
  'The rows in the default partition of a table: {partition, rows, movableRows, wanted: [{from, to, rows}]}; null when there is none. movableRows have a place that a run makes for them (wanted: with that, all the partitions it makes); the others lie beyond the horizon (a clock was wrong?), more than 1,000 intervals back, in the time of a retired partition, or have no time at all. statement_timeout 8 s. Errors: NS409, 57014 too large to count.';

revoke all on function
  nightshift.list_partition_policies, nightshift.plan_partition_maintenance, nightshift.measure_default_partition
from public, anon, authenticated;
grant execute on function
  nightshift.list_partition_policies, nightshift.plan_partition_maintenance, nightshift.measure_default_partition
to service_role;
