select nightshift.declare_job('view-refresh', policies => 'nightshift.refresh_policies');
