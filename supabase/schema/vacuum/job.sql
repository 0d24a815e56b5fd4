select nightshift.declare_job('table-vacuum');
