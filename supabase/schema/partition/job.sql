select nightshift.declare_job('partition-maintenance', policies => 'nightshift.partition_policies');
