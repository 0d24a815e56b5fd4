-- What nightshift_runner may do: run jobs, and read how they and the database are.
-- Why: whoever gets hold of its token can do nothing tonight's run would not do. It declares and changes no policy, lifts no
--      pause, moves no threshold, and undoes nothing, since all that decides what may go.
-- Locks: none on any existing object.

grant usage on schema nightshift to nightshift_runner;

grant execute on function
  nightshift.begin_detach, nightshift.begin_run, nightshift.check_health, nightshift.create_partitions,
  nightshift.describe_installation, nightshift.describe_jobs, nightshift.drop_retired_partitions,
  nightshift.finish_detach, nightshift.finish_run, nightshift.get_health, nightshift.heartbeat_run,
  nightshift.list_partition_policies, nightshift.list_refresh_policies, nightshift.list_retention_policies,
  nightshift.list_runs, nightshift.measure_default_partition, nightshift.measure_retention_backlog,
  nightshift.plan_partition_maintenance, nightshift.plan_retention_purge, nightshift.plan_view_refresh,
  nightshift.preview_retirement, nightshift.purge_batch, nightshift.record_refresh_failure,
  nightshift.refresh_view, nightshift.resume_run, nightshift.retire_partitions
to nightshift_runner;
