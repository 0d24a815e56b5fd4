create or replace function nightshift.list_partition_policies(as_of timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set jit = off
as $$
declare
  parents oid[] := array(select p.parent::oid from nightshift.partition_policies p);
  context text;
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
      'movableRows', (
        select nightshift.count_movable_rows(p, as_of) from nightshift.partition_policies p where p.parent = s.parent
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
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_partition_policies is
  'Every policy with the state of its table (see describe_partition_sets), its partitions (partitionList: partition, from, to, isDefault, isPending: half detached), movableRows (how many rows a run would move out of the default partition; null without one, or where it is larger than 8 MB) and those retired that are still there (retired: partition, from, to, sizeBytes, dropAfter, keptBecause), as one JSON array.';
