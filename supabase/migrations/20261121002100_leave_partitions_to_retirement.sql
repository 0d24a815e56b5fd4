-- The purge leaves partitions that are wholly due to the partition policy of their table, for two nights.
-- Why: detaching them costs next to nothing; deleting their rows one by one first would cost as much as all the rest.
--      Here and elsewhere jit is off, or a function is plpgsql, because Postgres expects a thousand rows of every function,
--      and would compile for longer than the query runs.
-- Locks: none on any existing object.

create function nightshift.partitions_to_retire(relation regclass, as_of timestamptz default now())
returns table (parent regclass, partition oid, key_column name, from_bound text, to_bound text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  parents oid[] := array(
    select p.parent::oid from nightshift.partition_policies p where p.enabled and p.retention is not null
  );
begin
  if parents = '{}' then
    return;
  end if;
  parents := array(
    select t.relid::oid from pg_catalog.pg_partition_tree(partitions_to_retire.relation) t where t.relid::oid = any(parents)
    union
    select a.relid::oid from pg_catalog.pg_partition_ancestors(partitions_to_retire.relation) a(relid) where a.relid::oid = any(parents)
  );
  if parents = '{}' then
    return;
  end if;
  return query
  select r.parent::regclass, r.partition, a.key_column, r.from_bound, r.to_bound
  from nightshift.assess_partitions(parents, partitions_to_retire.as_of) a
  join nightshift.read_partitions(parents) r on r.parent = a.parent
  -- Two nights for the retirement; what it cannot take out by then is purged as ever.
  where r.partition = any(a.due) and r.upper > a.cutoff - interval '2 days' or r.partition = any(a.kept);
end;
$$;

comment on function nightshift.partitions_to_retire is
  'The partitions of a table, or around it, that a purge leaves alone: those that have been due to be retired for less than two days, and those that were attached again by hand.';

alter function nightshift.leaf_relations(regclass) rename to all_leaf_relations;
comment on function nightshift.all_leaf_relations is
  'The tables that really hold the rows of a table: itself, or its leaf partitions, by oid.';

create function nightshift.leaf_relations(relation regclass)
returns setof regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(relation) t);
begin
  return query
  select l.leaf from nightshift.all_leaf_relations(relation) l(leaf) where l.leaf::oid <> all(left_alone) order by l.leaf::oid;
end;
$$;

comment on function nightshift.leaf_relations is
  'The tables that hold the rows of a table that a purge looks at, by oid: all_leaf_relations, without those that are left to a partition policy.';

alter function nightshift.due_condition(text, regclass, interval, name, name, timestamptz) rename to due_by_marker;

create function nightshift.due_condition(
  row_alias text,
  relation regclass,
  drop_after interval,
  marker_column name,
  flag_column name,
  as_of timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  condition text := nightshift.due_by_marker(row_alias, relation, drop_after, marker_column, flag_column, as_of);
  alone record;
begin
  for alone in
    select t.* from nightshift.partitions_to_retire(relation, as_of) t
    where t.parent = relation or t.parent in (select a.relid from pg_catalog.pg_partition_ancestors(relation) a(relid))
  loop
    condition := condition || format(' and (%s) is not true', concat_ws(' and ',
      case when alone.from_bound <> 'MINVALUE' then format('%s.%I >= %s', row_alias, alone.key_column, alone.from_bound) end,
      format('%s.%I < %s', row_alias, alone.key_column, alone.to_bound)));
  end loop;
  return condition;
end;
$$;

comment on function nightshift.due_condition is
  'The SQL condition for a due row: due_by_marker, and not in a partition that is left to a partition policy.';

alter function nightshift.retention_warnings(regclass) rename to warnings_of_purge;

create function nightshift.retention_warnings(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
begin atomic
  select nightshift.warnings_of_purge(retention_warnings.relation) || coalesce((
    select jsonb_agg(format('%s: left to the partition policy of %s.', t.names, t.parent) order by t.parent::text)
    from (
      select r.parent, nightshift.name_some(array_agg(r.partition order by r.partition)) as names
      from nightshift.partitions_to_retire(retention_warnings.relation) r
      group by r.parent
    ) t
  ), '[]');
end;

comment on function nightshift.retention_warnings is
  'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences; and which rows are left to a partition policy.';

revoke all on function
  nightshift.partitions_to_retire, nightshift.all_leaf_relations, nightshift.leaf_relations, nightshift.due_by_marker,
  nightshift.due_condition, nightshift.warnings_of_purge, nightshift.retention_warnings
from public, anon, authenticated;
