select nightshift.declare_job(
  'partition-maintenance', 'Makes the partitions that are needed ahead, and retires those whose time is over.', policies => 'nightshift.partition_policies'
);
