create or replace function nightshift.user_functions()
returns name[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- What users call, and what that executes with their rights.
  select array[
    'soft_delete', 'soft_delete_where', 'plan_delete', 'plan_restore', 'restore', 'restore_operation',
    'find_rows', 'deletion_hash', 'restricting_rows', 'condition_in_sql', 'put_active', 'active_arbiter', 'deleted_since', 'deletions_since',
    'soft_delete_rules', 'keys_asked', 'deletion_actor', 'deletion_operation',
    'start_operation', 'operation_time', 'calling_user', 'edges_to_children',
    'edges_to_parents', 'hold_parents', 'deleted_parent', 'require_unrestricted', 'unique_conflicts',
    'override_assignments', 'record_failed_restores', 'raise_conflict',
    'restore_keys', 'rows_of_operation', 'announce_changes', 'place_in_code', 'code_in_context', 'column_type', 'soft_delete_tables_of_operation'
  ]::name[];
$$;

comment on function nightshift.user_functions is
  'The functions of Nightshift that authenticated may execute once a table is enabled for users: soft_delete, restore and what they are made of.';
