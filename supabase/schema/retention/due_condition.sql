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
begin
  return nightshift.due_by_marker(row_alias, relation, drop_after, marker_column, flag_column, as_of)
    || (select a.otherwise from nightshift.left_alone(row_alias, relation, as_of) a);
end;
$$;

comment on function nightshift.due_condition is
  'The SQL condition for a due row: due_by_marker, and not in a partition that is left to a partition policy.';
