-- Partitioned tables in words: what a run will do, and what is wrong that it does not mend.
-- Why: a fault that is not said, with its fix, is found by whoever it hurts.
-- Locks: none on those of the application.

create or replace function nightshift.describe_partition_sets(
  parents oid[],
  as_of timestamptz default now()
)
returns table (parent regclass, document jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set timezone = 'UTC'
as $$
#variable_conflict use_column
begin
  return query
  select
    p.parent,
    nightshift.describe_partition_policy(p) || case
      when a.key_column is null then jsonb_build_object('problem', case
        when c.oid is null then format('Its table %s is gone', p.parent_name)
        else 'It is not partitioned by range of one column any more' end,
        'fix', format('select nightshift.remove_partition_policy(%s);', coalesce(quote_literal(c.oid::regclass), p.parent::oid::text)))
      else jsonb_build_object(
        'partitions', a.partitions,
        'horizon', a.horizon at time zone 'UTC',
        'horizonDays', case
          when isfinite(a.horizon) then round(extract(epoch from a.horizon - (describe_partition_sets.as_of at time zone 'UTC')) / 86400, 2)
          when a.horizon is null then 0
        end,
        'missing', case when isempty(a.missing) then '[]' else (
          select jsonb_agg(jsonb_build_object('from', i.lower at time zone 'UTC', 'to', i.upper at time zone 'UTC') order by i.lower)
          from nightshift.intervals_of(p.every, a.missing) i
        ) end,
        'dueAfterwards', case when a.newest_is_past and not isempty(a.missing) then a.newest::regclass::text end,
        'due', (select coalesce(jsonb_agg(d.partition::regclass::text order by d.position), '[]')
          from unnest(a.due) with ordinality d(partition, position)),
        'dueBefore', a.cutoff at time zone 'UTC',
        -- As it will be when what is missing has been made.
        'refusal', nightshift.why_not_retire_so_many(
          p, cardinality(a.due) + (a.newest_is_past and not isempty(a.missing))::integer,
          a.begun_partitions + case when isempty(a.missing) then 0 else (
            select count(*)::integer from nightshift.intervals_of(p.every, a.missing) i
            where i.lower <= describe_partition_sets.as_of at time zone 'UTC'
          ) end
        ),
        'defaultPartition', a.default_partition::regclass::text,
        'excludes', exists (select from nightshift.default_exclusions e where e.parent = p.parent),
        -- Those to it by what depends on its columns: there is no index by the table at the other end.
        'hasForeignKeys', coalesce((
          select true from pg_catalog.pg_constraint k where k.conrelid = p.parent and k.contype = 'f' limit 1
        ), (
          select true from pg_catalog.pg_depend d
          join pg_catalog.pg_constraint k on k.oid = d.objid and k.contype = 'f'
          where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p.parent and d.refobjsubid > 0
            and d.classid = 'pg_catalog.pg_constraint'::regclass
          limit 1
        ), false),
        'oversized', coalesce(cardinality(f.oversized), 0),
        'warnings', nightshift.partition_warnings(
          p, a.held, a.left_out, a.detached, a.cutoff, a.newest, a.odd, a.pending, a.kept, f.exposed, f.exposed_to, f.oversized,
          g.usual_gap
        )
      ) end
  from nightshift.assess_partitions(describe_partition_sets.parents, describe_partition_sets.as_of) a
  join nightshift.partition_policies p on p.parent::oid = a.parent
  left join pg_catalog.pg_class c on c.oid = p.parent
  left join nightshift.partition_faults(describe_partition_sets.parents) f on f.parent = p.parent::oid
  cross join nightshift.usual_gap('partition-maintenance') g(usual_gap)
  where p.parent::oid = any(describe_partition_sets.parents);
end;
$$;

comment on function nightshift.describe_partition_sets is
  'Policies with the state of their tables, as JSON: partitions, horizon, horizonDays (null when it never ends), missing [{from, to}], due, dueAfterwards (the newest, which is due when others have been made), dueBefore (partitions that ended by then are due), refusal (why a run retires none of them, unless forced), defaultPartition, excludes (a run was interrupted: see exclude_from_default), hasForeignKeys (from it or to it), oversized (how many), warnings; or problem and fix when the policy does not fit its table any more.';
