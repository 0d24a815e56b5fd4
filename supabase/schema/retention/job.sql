select nightshift.declare_job(
  'retention-purge', 'Deletes the rows that their retention policies let go, in small committed batches.', policies => 'nightshift.retention_policies'
);
