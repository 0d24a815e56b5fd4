-- Who may do what, in one place: nobody but the roles named here may use, call, read or write anything.
-- The whole list is granted anew each time, so a grant made from elsewhere does not outlive an upgrade.

revoke all on schema nightshift from public, anon, authenticated, service_role, nightshift_runner;
revoke all on all routines in schema nightshift from public, anon, authenticated, service_role, nightshift_runner;
revoke all on
  nightshift.admissions, nightshift.default_exclusions, nightshift.deletion_events, nightshift.deletion_events_default, nightshift.health_checks, nightshift.health_findings, nightshift.health_results, nightshift.health_thresholds, nightshift.home, nightshift.jobs,
  nightshift.key_queries, nightshift.key_query_times,
  nightshift.migrations, nightshift.partition_policies, nightshift.purge_counted, nightshift.purge_decisions,
  nightshift.purge_pending, nightshift.purge_released,
  nightshift.refresh_policies, nightshift.retention_keys, nightshift.retention_policies, nightshift.retired_partitions,
  nightshift.runs, nightshift.schedules, nightshift.settings, nightshift.status, nightshift.soft_delete_cascades, nightshift.soft_delete_tables, nightshift.trend_points, nightshift.troubles, nightshift.vacuum_policies, nightshift.view_refreshes
from public, anon, authenticated, service_role, nightshift_runner;
revoke all on sequence
  nightshift.admissions_id_seq, nightshift.deletion_events_id_seq, nightshift.fences, nightshift.health_thresholds_id_seq, nightshift.key_query_times_id_seq, nightshift.retired_partitions_id_seq,
  nightshift.troubles_id_seq, nightshift.view_refreshes_id_seq
from public, anon, authenticated, service_role, nightshift_runner;
revoke all on type nightshift.partition_state from public;
revoke all on type nightshift.ddl_step from public;
revoke all on type nightshift.held_row from public;
revoke all on type nightshift.moved_row from public;
revoke all on type nightshift.released_row from public;
revoke all on type nightshift.row_set from public;
revoke all on type nightshift.soft_delete_rules from public;
revoke all on type nightshift.usual_time from public;
revoke all on type nightshift.vacuum_state from public;

grant usage on schema nightshift to service_role, nightshift_runner;

-- Jobs, and how they and the database are. The holder of a runner's token can do nothing that tonight's run would not do.
grant execute on function
  nightshift.admit_caller, nightshift.begin_detach, nightshift.begin_reindex, nightshift.begin_run, nightshift.begin_vacuum, nightshift.cancel_run, nightshift.check_health, nightshift.consume_wake, nightshift.create_partitions,
  nightshift.describe_installation, nightshift.describe_jobs, nightshift.describe_key_queries, nightshift.describe_trends, nightshift.drop_retired_partitions,
  nightshift.exclude_from_default, nightshift.find_run, nightshift.finish_detach, nightshift.finish_reindex, nightshift.finish_run,
  nightshift.finish_vacuum, nightshift.get_health, nightshift.get_run,
  nightshift.heartbeat_run, nightshift.list_partition_policies, nightshift.list_refresh_policies,
  nightshift.list_retention_policies, nightshift.list_runs, nightshift.list_schedules, nightshift.list_vacuum_policies, nightshift.measure_default_partition, nightshift.measure_key_query,
  nightshift.measure_retention_backlog, nightshift.measure_retention_backlogs, nightshift.measure_retention_rest, nightshift.plan_partition_maintenance, nightshift.plan_reindex, nightshift.plan_retention_purge,
  nightshift.plan_table_vacuum, nightshift.plan_view_refresh, nightshift.preview_retention_purge, nightshift.preview_table_vacuum, nightshift.preview_retirement, nightshift.purge_batch,
  nightshift.read_status, nightshift.record_refresh_failure, nightshift.refresh_view, nightshift.release_default, nightshift.report_bloat, nightshift.resume_run,
  nightshift.note_told, nightshift.retire_partitions, nightshift.send_wakes, nightshift.take_status, nightshift.take_troubles, nightshift.validate_default, nightshift.watch_vacuum
to service_role, nightshift_runner;

-- Policies, pauses, thresholds and what undoes a run: these decide what may go, so they are for people.
grant execute on function
  nightshift.add_partition_policy, nightshift.add_refresh_policy, nightshift.add_retention_policy,
  nightshift.add_vacuum_policy, nightshift.alter_vacuum_policy, nightshift.remove_vacuum_policy,
  nightshift.adopt_refresh_policies, nightshift.alter_partition_policy, nightshift.alter_refresh_policy,
  nightshift.alter_retention_policy, nightshift.check_partition_sizes, nightshift.pause,
  nightshift.reattach_partition, nightshift.remove_health_threshold, nightshift.remove_partition_policy,
  nightshift.remove_refresh_policy, nightshift.remove_retention_policy,
  nightshift.set_health_threshold, nightshift.settle_reference, nightshift.unpause
to service_role;

grant execute on function
  nightshift.deletion_stats, nightshift.disable_soft_delete, nightshift.enable_soft_delete, nightshift.inspect_soft_delete,
  nightshift.list_deletion_events
to service_role;

-- Deleting and restoring has the rights of whoever calls, so they execute what it is made of, too: see settle_users.
grant execute on function
  nightshift.soft_delete, nightshift.soft_delete_where, nightshift.plan_delete, nightshift.plan_restore, nightshift.restore, nightshift.restore_operation, nightshift.restore_since,
  nightshift.put_active, nightshift.deleted_since, nightshift.deletions_since,
  nightshift.active_arbiter, nightshift.announce_changes, nightshift.columns_named, nightshift.condition_in_sql, nightshift.deletion_hash, nightshift.find_rows, nightshift.restricting_rows,
  nightshift.calling_user, nightshift.code_in_context, nightshift.column_type, nightshift.deletion_actor,
  nightshift.deletion_operation, nightshift.edges_to_children, nightshift.edges_to_parents, nightshift.hold_parents, nightshift.deleted_parent, nightshift.keys_asked,
  nightshift.operation_time, nightshift.override_assignments, nightshift.place_in_code, nightshift.raise_conflict,
  nightshift.record_failed_restores, nightshift.require_unrestricted, nightshift.restore_keys, nightshift.rows_of_operation, nightshift.rows_since,
  nightshift.soft_delete_rules,
  nightshift.soft_delete_tables_of_operation, nightshift.start_operation, nightshift.unique_conflicts
to service_role;

-- Last of all, since each of the above is a right of the owner to give.
do $$
begin
  perform nightshift.settle_users();
  perform nightshift.settle_owner();
end;
$$;
