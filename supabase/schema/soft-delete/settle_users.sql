create or replace function nightshift.settle_users()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What users call, and what that executes with their rights.
  functions constant text := 'nightshift.soft_delete, nightshift.soft_delete_where, nightshift.plan_delete, nightshift.plan_restore, nightshift.restore, nightshift.restore_operation, '
    || 'nightshift.find_rows, nightshift.deletion_hash, nightshift.restricting_rows, nightshift.condition_in_sql, nightshift.put_active, nightshift.active_arbiter, nightshift.deleted_since, nightshift.deletions_since, '
    || 'nightshift.soft_delete_rules, nightshift.keys_asked, nightshift.deletion_actor, nightshift.deletion_operation, '
    || 'nightshift.start_operation, nightshift.operation_time, nightshift.calling_user, nightshift.edges_to_children, '
    || 'nightshift.edges_to_parents, nightshift.hold_parents, nightshift.require_unrestricted, nightshift.unique_conflicts, '
    || 'nightshift.override_assignments, nightshift.record_failed_restores, nightshift.raise_conflict, nightshift.restore_keys, nightshift.rows_of_operation, '
    || 'nightshift.place_in_code, nightshift.code_in_context, nightshift.column_type, nightshift.soft_delete_tables_of_operation';
begin
  if to_regrole('authenticated') is null then
    return;
  end if;
  if exists (select from nightshift.soft_delete_tables t where t.for_users) then
    execute 'grant usage on schema nightshift to authenticated';
    execute format('grant execute on function %s to authenticated', functions);
  else
    execute format('revoke execute on function %s from authenticated', functions);
    execute 'revoke usage on schema nightshift from authenticated';
  end if;
end;
$$;

comment on function nightshift.settle_users is
  'Lets authenticated call soft_delete and restore, where a table is enabled for users, and nothing where none is.';
