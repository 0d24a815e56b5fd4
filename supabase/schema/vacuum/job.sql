select nightshift.declare_job(
  'table-vacuum', 'Vacuums and analyzes the tables that need it, those first that a purge has been at.'
);
