create or replace function nightshift.is_due(run nightshift.runs, policy oid, row_alias text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('%1$s.tableoid = any(%2$L::oid[]) and (%3$s) is true',
      row_alias, array(select l::oid from nightshift.leaf_relations(p.relation) l),
      nightshift.due_condition(row_alias, p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at))
    from nightshift.retention_policies p
    where p.relation::oid = is_due.policy
  );
end;
$$;

comment on function nightshift.is_due is
  'The SQL condition for a row of any table, read with its tableoid, that is of a policy and due by it. Errors: those of due_by_marker.';
