-- The purge leaves partitions that are wholly due to the partition policy of their table.
-- Why: detaching them costs next to nothing; deleting their rows one by one first would cost as much as all the rest.
-- Locks: none on any existing object.

create function nightshift.partitions_to_retire(relation regclass, as_of timestamptz default now())
returns table (parent regclass, partitions oid[], key_column name, nullable boolean, until_bound text, until timestamp)
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select
    p.parent, a.due || a.kept, a.key_column, not k.attnotnull,
    (array_agg(r.to_bound order by r.upper desc))[1], max(r.upper)
  from nightshift.partition_policies p
  cross join lateral nightshift.assess_partitions(array[p.parent::oid], partitions_to_retire.as_of) a
  join nightshift.read_partitions(array[p.parent::oid]) r on r.partition = any(a.due || a.kept)
  join pg_catalog.pg_attribute k on k.attrelid = p.parent and k.attname = a.key_column
  where p.enabled
    and p.retention is not null
    and (
      p.parent in (select t.relid from pg_catalog.pg_partition_tree(partitions_to_retire.relation) t)
      or p.parent in (select t.relid from pg_catalog.pg_partition_ancestors(partitions_to_retire.relation) t(relid))
    )
  group by p.parent, a.due || a.kept, a.key_column, k.attnotnull;
end;

comment on function nightshift.partitions_to_retire is
  'The partitions of a table, or around it, that their partition policy is about to retire, or would if they had not been attached again by hand, and the bound where they end.';

alter function nightshift.leaf_relations(regclass) rename to all_leaf_relations;
comment on function nightshift.all_leaf_relations is
  'The tables that really hold the rows of a table: itself, or its leaf partitions, by oid.';

create function nightshift.leaf_relations(relation regclass)
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select l.leaf
  from nightshift.all_leaf_relations(leaf_relations.relation) l(leaf)
  where l.leaf::oid not in (
    select unnest(t.partitions) from nightshift.partitions_to_retire(leaf_relations.relation) t
  )
  order by l.leaf::oid;
end;

comment on function nightshift.leaf_relations is
  'The tables that hold the rows of a table that a purge looks at, by oid: all_leaf_relations, without those that a partition policy retires.';

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
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select nightshift.due_by_marker(
    due_condition.row_alias, due_condition.relation, due_condition.drop_after, due_condition.marker_column,
    due_condition.flag_column, due_condition.as_of
  ) || coalesce((
    select string_agg(
      format(case when t.nullable then ' and (%1$s.%2$I >= %3$s or %1$s.%2$I is null)' else ' and %1$s.%2$I >= %3$s' end,
        due_condition.row_alias, t.key_column, t.until_bound),
      ''
    )
    from nightshift.partitions_to_retire(due_condition.relation, due_condition.as_of) t
    where t.parent = due_condition.relation
      or t.parent in (select a.relid from pg_catalog.pg_partition_ancestors(due_condition.relation) a(relid))
  ), '');
end;

comment on function nightshift.due_condition is
  'The SQL condition for a due row: due_by_marker, and not in a partition that a partition policy retires.';

alter function nightshift.retention_warnings(regclass) rename to warnings_of_purge;

create function nightshift.retention_warnings(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select nightshift.warnings_of_purge(retention_warnings.relation) || coalesce((
    select jsonb_agg(format('Rows of %s before %s are left to its partition policy.', t.parent, t.until::date) order by t.parent::text)
    from nightshift.partitions_to_retire(retention_warnings.relation) t
  ), '[]');
end;

comment on function nightshift.retention_warnings is
  'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences; and which rows are left to a partition policy.';

revoke all on function
  nightshift.partitions_to_retire, nightshift.all_leaf_relations, nightshift.leaf_relations, nightshift.due_by_marker,
  nightshift.due_condition, nightshift.warnings_of_purge, nightshift.retention_warnings
from public, anon, authenticated;
