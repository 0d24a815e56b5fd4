create or replace function nightshift.describe_jobs(as_of timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'job', j.job,
    'declaredAt', j.declared_at,
    'lastRun', (
      select nightshift.describe_run(nightshift.run_as_of(r, describe_jobs.as_of)) from nightshift.runs r where r.id = j.last_run
    ) - 'report' - 'progress',
    'lastSuccessAt', j.last_success_at,
    'secondsSinceLastSuccess', extract(epoch from describe_jobs.as_of - coalesce(j.last_success_at, j.declared_at))::bigint,
    'failedInRow', j.failed_in_row,
    'partialInRow', j.partial_in_row,
    'lostInRow', j.lost_in_row,
    'usualDurationMs', round(j.usual_duration_ms),
    'lastAside', (
      select nightshift.describe_run(nightshift.run_as_of(r, describe_jobs.as_of)) || '{"report": null}' from nightshift.runs r
      where r.job = j.job and (r.dry_run or r.input ?| array['only', 'reindex']) and r.status <> 'skipped' and r.started_at <= describe_jobs.as_of
      order by r.started_at desc
      limit 1
    ),
    'underWay', (
      select coalesce(jsonb_agg(nightshift.describe_run(r) order by r.started_at), '[]') from nightshift.runs r
      where r.job = j.job and r.status = 'running' and r.lease_expires_at > describe_jobs.as_of
    )
  ) order by j.job), '[]')
  from nightshift.job_states(describe_jobs.as_of) j;
$$;

comment on function nightshift.describe_jobs is
  'What the ledger says of each job, see job_states, as one JSON array: job, declaredAt (its oldest policy; null: it has none), lastRun, lastSuccessAt, secondsSinceLastSuccess (before the first: since declaredAt), failedInRow, partialInRow, lostInRow, usualDurationMs, lastAside (the last run that was dry or of a few subjects, of which the rest says nothing), underWay (what holds a lease now); null where there is nothing to say.';
