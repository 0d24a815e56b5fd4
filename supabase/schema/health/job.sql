-- It runs every five minutes; a week later, one such run says little.
select nightshift.declare_job('health-check', runs_while_paused => true, runs_kept => '7 days');
