create or replace function nightshift.due_condition(
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
