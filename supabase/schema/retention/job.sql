select nightshift.declare_job('retention-purge', policies => 'nightshift.retention_policies');
