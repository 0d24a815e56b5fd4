select nightshift.declare_job(
  'view-refresh', 'Refreshes the materialized views that need it, in the order of what they read.', policies => 'nightshift.refresh_policies'
);
