create or replace function nightshift.due_by_policy(row_alias text, policy nightshift.retention_policies, as_of timestamptz)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return format('%1$s.tableoid = any(%2$L::oid[]) and coalesce(%3$s, false)',
    row_alias, array(select l::oid from nightshift.leaf_relations(policy.relation) l),
    nightshift.due_condition(row_alias, policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of));
end;
$$;

comment on function nightshift.due_by_policy is
  'The SQL condition for a row of any table to be one of a policy, and due by it. Errors: those of due_by_marker.';
