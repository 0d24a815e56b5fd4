-- The plan of partition maintenance: what a run will do to which table, and what there is to see.
-- Why: one call for all tables, so that a night on which nothing is due is one look and no DDL.
-- Locks: none on those of the application, but for measure_default_partition,
--        which reads the partition.

create or replace function nightshift.plan_partition_maintenance(run_id uuid, fence bigint, only_tables text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
  chosen oid[];
begin
  perform nightshift.require_partition_policies(only_tables);
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
    -- Half detached by them, and due: this run finishes it, as one of its own. It is rare, and to read all bounds is not cheap.
    if exists (select 1 from pg_catalog.pg_inherits i where i.inhdetachpending) then
      perform nightshift.note_detaching(p, r.partition, run.id)
      from nightshift.read_partitions(chosen) r
      join nightshift.partition_policies p on p.parent::oid = r.parent
      where r.pending and r.upper <= least(run.started_at, now()) at time zone 'UTC' - p.retention
        and not exists (
          select 1 from nightshift.retired_partitions d where d.partition::oid = r.partition and d.status = 'detaching'
        );
    end if;
  end if;

  return jsonb_build_object(
    'tables', (
      -- What refers to others first: its partitions hold theirs.
      select coalesce(jsonb_agg(s.document order by r.referred desc, s.parent::text), '[]')
      from nightshift.describe_partition_sets(chosen, run.started_at) s
      join nightshift.referred_tables(chosen) r on r.parent = s.parent::oid
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
  'The tables with an enabled policy and their state (tables: see describe_partition_sets; each before those that it refers to), retired partitions whose grace period is over (drops; keptBecause says why one stays), detaches that were interrupted (unfinished; of those that people began, what is due), and tables whose policy is switched off. only_tables: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';
