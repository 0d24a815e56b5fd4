-- No just-in-time compilation in what jobs and people call.
-- Why: functions that steer the planner with enable_seqscan = off and the like make it expect enormous costs, and functions
--      without statistics make it expect a thousand rows; either way it compiles each of many small queries, for longer than
--      they run: a purge of a chain of rows took eight times as long, and more. Only refresh_view is left alone: the query of
--      a view may be worth it.
-- Locks: none on any existing object of the application.

alter function nightshift.add_partition_policy set jit = off;
alter function nightshift.add_refresh_policy set jit = off;
alter function nightshift.add_retention_policy set jit = off;
alter function nightshift.adopt_refresh_policies set jit = off;
alter function nightshift.alter_partition_policy set jit = off;
alter function nightshift.alter_refresh_policy set jit = off;
alter function nightshift.alter_retention_policy set jit = off;
alter function nightshift.begin_detach set jit = off;
alter function nightshift.begin_run set jit = off;
alter function nightshift.check_partition_sizes set jit = off;
alter function nightshift.create_partitions set jit = off;
alter function nightshift.drop_retired_partitions set jit = off;
alter function nightshift.finish_detach set jit = off;
alter function nightshift.finish_run set jit = off;
alter function nightshift.heartbeat_run set jit = off;
alter function nightshift.list_partition_policies set jit = off;
alter function nightshift.list_refresh_policies set jit = off;
alter function nightshift.list_retention_policies set jit = off;
alter function nightshift.list_runs set jit = off;
alter function nightshift.measure_default_partition set jit = off;
alter function nightshift.measure_retention_backlog set jit = off;
alter function nightshift.pause set jit = off;
alter function nightshift.plan_partition_maintenance set jit = off;
alter function nightshift.plan_retention_purge set jit = off;
alter function nightshift.plan_view_refresh set jit = off;
alter function nightshift.preview_retirement set jit = off;
alter function nightshift.purge_batch set jit = off;
alter function nightshift.reattach_partition set jit = off;
alter function nightshift.record_refresh_failure set jit = off;
alter function nightshift.remove_partition_policy set jit = off;
alter function nightshift.remove_refresh_policy set jit = off;
alter function nightshift.remove_retention_policy set jit = off;
alter function nightshift.resume_run set jit = off;
alter function nightshift.retire_partitions set jit = off;
alter function nightshift.unpause set jit = off;
alter function nightshift.create_missing_partitions set jit = off;
alter function nightshift.secure_partitions set jit = off;
