-- Partitioned tables in words: what a run will do, and what is wrong that it does not mend.
-- Why: a fault that is not said, with its fix, is found by whoever it hurts.
-- Locks: none on any existing object; at run time none on those of the application.

create function nightshift.partition_faults(parents oid[])
returns table (parent oid, exposed oid[], exposed_to text, oversized oid[])
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
begin atomic
  with part as materialized (
    select i.inhparent as parent, c.oid as partition, c.relnamespace, c.relacl, c.relrowsecurity, c.relpages, c.reltoastrelid
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = any(partition_faults.parents)
  ),
  -- Without a grant, on itself or on a column, it is its owner's alone: most are.
  granted as materialized (
    select p.parent, p.partition, p.relnamespace, false as columns
    from part p
    where p.relacl is not null and (
      not p.relrowsecurity or exists (select 1 from pg_catalog.pg_policy o where o.polrelid = p.partition)
    )
    union all
    select p.parent, p.partition, p.relnamespace, true
    from part p
    join (
      select distinct d.objid
      from pg_catalog.pg_shdepend d
      where d.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
        and d.classid = 'pg_catalog.pg_class'::regclass and d.objsubid > 0 and d.deptype = 'a'
    ) c on c.objid = p.partition
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
    left join pg_catalog.pg_class t on t.oid = p.reltoastrelid
    cross join lateral (select p.relpages::bigint + coalesce(t.relpages, 0)) own(pages)
    -- The indexes are looked up where the rows, long values included, are a tenth of it.
    where own.pages * current_setting('block_size')::bigint > s.partition_alert_bytes / 10
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

comment on function nightshift.partition_faults is
  'Of tables, the partitions that a role of the API can reach past the row level security or the grants of the table, policies of their own included (exposed), and those that were larger than settings.partition_alert_bytes when they were last analyzed (oversized).';

create function nightshift.name_some(relations oid[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select string_agg(n.relation::regclass::text, ', ' order by n.position)
    || case when cardinality(name_some.relations) > 3 then format(' and %s more', cardinality(name_some.relations) - 3) else '' end
  from unnest(name_some.relations[1:3]) with ordinality n(relation, position);
end;

comment on function nightshift.name_some is 'The names of the first three relations, and how many more there are.';

create function nightshift.usual_gap(job text)
returns interval
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(max(r.started_at) - min(r.started_at), '1 day')
  from (
    select o.started_at
    from nightshift.runs o
    where o.job = usual_gap.job and o.trigger = 'schedule' and o.status <> 'skipped'
    order by o.started_at desc
    limit 2
  ) r
  having count(*) <> 1
  union all
  select interval '1 day'
  limit 1;
end;

comment on function nightshift.usual_gap is 'The time between the last two scheduled runs of a job; a day while there are not two.';

create function nightshift.partition_warnings(
  policy nightshift.partition_policies,
  held tsmultirange,
  left_out tsmultirange,
  detached tsmultirange,
  cutoff timestamp,
  newest oid,
  odd oid[],
  pending oid[],
  kept oid[],
  exposed oid[],
  exposed_to text,
  oversized oid[],
  usual_gap interval
)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(jsonb_agg(w.warning), '[]')
  from (
    select format('%s can reach %s, but not what it holds through %s. Fix: select nightshift.secure_partitions(%L);',
      exposed_to, nightshift.name_some(exposed), policy.parent, policy.parent)
    where cardinality(exposed) > 0
    union all
    select format('%s takes all rows from %s on, so no partition can be made after it. Fix: detach it, and attach it again with an end.',
      newest::regclass, lower(r.period))
    from unnest(held) r(period)
    where upper_inf(r.period) or upper(r.period) = 'infinity'
    union all
    select format('It has no partition from %s to %s, more than 1,000 intervals ago, and none is made there.', lower(r.period), upper(r.period))
    from unnest(left_out) r(period)
    where cutoff is null or upper(r.period) > cutoff
    union all
    select format('%s: not one interval of %s in UTC from bound to bound; new partitions are fitted around.', nightshift.name_some(odd), policy.every)
    where cardinality(odd) > 0
    union all
    select format('%s has the unique index %s, which new partitions will not have, because %s has none like it. Fix: create it there, with %I among its columns.',
      newest::regclass, x.indexrelid::regclass, policy.parent, (nightshift.partition_key(policy.parent)).column_name)
    from pg_catalog.pg_index x
    where x.indrelid = newest and x.indisunique
      and not exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = x.indexrelid)
    union all
    select format('It has no place for rows from %s to %s: that is the time of partitions that were retired, and would not be due now. To have one back: select nightshift.reattach_partition(...);',
      lower(r.period), upper(r.period))
    from unnest(detached) r(period)
    where cutoff is null or upper(r.period) > cutoff
    union all
    select format('%s is half detached, so its rows cannot be seen through the table. %s', p.partition::regclass, case
      when exists (
        select 1 from nightshift.retired_partitions d where d.partition::oid = p.partition and d.status = 'detaching'
      ) then format('The next run finishes it; to have it back: select nightshift.reattach_partition(%L);', p.partition::regclass)
      else format('Fix: alter table %s detach partition %s finalize;', policy.parent, p.partition::regclass) end)
    from unnest(pending) p(partition)
    union all
    select format('There is room for %s after the present partition, and the next run may be %s away. Fix: select nightshift.alter_partition_policy(%L, premake => %s); or a schedule that runs more often.',
      policy.premake * policy.every, usual_gap, policy.parent,
      ceil(extract(epoch from usual_gap) / extract(epoch from policy.every)))
    where policy.premake * policy.every < usual_gap
    union all
    select format('%s: due, but attached again by hand, so left alone until nightshift.alter_partition_policy is given a retention.', nightshift.name_some(kept))
    where cardinality(kept) > 0
    union all
    select format('%s: larger than %s. Shorter intervals from now on: select nightshift.alter_partition_policy(%L, every => ...);',
      nightshift.name_some(oversized), pg_size_pretty(s.partition_alert_bytes), policy.parent)
    from nightshift.settings s
    where cardinality(oversized) > 0
  ) w(warning);
end;

comment on function nightshift.partition_warnings is
  'What is wrong with the partitions of a table and not mended by a run, with the fix, as a JSON array of sentences.';

create function nightshift.why_not_retire_so_many(policy nightshift.partition_policies, due integer, begun_partitions integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select format('%s of the %s partitions that have begun would be retired, more than max_fraction (%s) allows',
    why_not_retire_so_many.due, why_not_retire_so_many.begun_partitions, policy.max_fraction)
  where why_not_retire_so_many.due > policy.max_fraction * why_not_retire_so_many.begun_partitions;
end;

comment on function nightshift.why_not_retire_so_many is
  'The brake, in words: more are due than max_fraction of the partitions that have begun; null when not.';

create function nightshift.describe_partition_policy(policy nightshift.partition_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'table', policy.parent::text,
    'every', case when policy.every < '1 day' then format('%s hours', extract(hour from policy.every)) else policy.every::text end,
    'premake', policy.premake,
    'retention', policy.retention::text,
    'retire', policy.retire,
    'grace', policy.grace::text,
    'maxFraction', policy.max_fraction,
    'partitionSchema', policy.partition_schema,
    'epoch', policy.epoch,
    'enabled', policy.enabled
  );
end;

comment on function nightshift.describe_partition_policy is 'The JSON document of a policy.';

create function nightshift.describe_partition_sets(
  parents oid[],
  as_of timestamptz default now()
)
returns table (parent regclass, document jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set timezone = 'UTC'
begin atomic
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
        -- Read once for all tables: there is no index by the table at the other end.
        'hasForeignKeys', p.parent::oid in (
          select unnest(array[k.conrelid, k.confrelid]) from pg_catalog.pg_constraint k where k.contype = 'f'
        ),
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
  cross join nightshift.usual_gap('partition-maintenance') g(usual_gap);
end;

comment on function nightshift.describe_partition_sets is
  'Policies with the state of their tables, as JSON: partitions, horizon, horizonDays (null when it never ends), missing [{from, to}], due, dueAfterwards (the newest, which is due when others have been made), dueBefore (partitions that ended by then are due), refusal (why a run retires none of them, unless forced), defaultPartition, hasForeignKeys (from it or to it), oversized (how many), warnings; or problem and fix when the policy does not fit its table any more.';

revoke all on function
  nightshift.partition_faults, nightshift.name_some, nightshift.usual_gap, nightshift.partition_warnings,
  nightshift.why_not_retire_so_many, nightshift.describe_partition_policy, nightshift.describe_partition_sets
from public, anon, authenticated;
