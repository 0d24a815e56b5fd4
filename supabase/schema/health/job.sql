-- It runs every five minutes; a week later, one such run says little.
select nightshift.declare_job(
  'health-check', 'Looks at the database and at the other jobs, and says what is wrong and how to mend it.', runs_while_paused => true, runs_kept => '7 days'
);
