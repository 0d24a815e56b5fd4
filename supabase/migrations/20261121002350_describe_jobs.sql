-- What the ledger says of each job: when it last did its work, and what has gone wrong since.
-- Why: the command line, the health checks and the metrics all answer "is it running?" from the same place.
-- Locks: nightshift.runs against writes, while an index of it is built.

create or replace function nightshift.trim_runs(as_of timestamptz default now())
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  with trimmed as (
    delete from nightshift.runs r
    where r.id in (
      select old.id
      from nightshift.runs old, nightshift.settings s
      where old.finished_at < trim_runs.as_of - s.ledger_retention
        -- One every five minutes says little a week later.
        or (old.job = 'health-check' and old.finished_at < trim_runs.as_of - least(s.ledger_retention, '7 days'))
      order by old.finished_at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
end;

comment on function nightshift.trim_runs is
  'Deletes at most 1,000 finished runs older than settings.ledger_retention (default 90 days), and those of the health check after 7 days; returns how many. begin_run calls it.';

create or replace function nightshift.list_runs(job text default null, max_runs integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
begin atomic
  select coalesce(jsonb_agg(nightshift.describe_run(r) order by r.started_at desc), '[]')
  from (
    select r.*
    from nightshift.runs r
    where r.job = list_runs.job
      or (list_runs.job is null and not (r.job = 'health-check' and r.status = 'succeeded' and r.input @> '{"quick": true}'))
    order by r.started_at desc
    limit least(greatest(list_runs.max_runs, 1), 1000)
  ) r;
end;

comment on function nightshift.list_runs is
  'The newest runs first, as one JSON document; of one job when job is given, else without the quick health checks that succeeded, of which there are hundreds a day. max_runs: 1 to 1000, default 20.';

create index runs_job_started_at on nightshift.runs (job, started_at);

create type nightshift.job_state as (
  job text,
  -- When the oldest policy of the job was declared; null when it has none.
  declared_at timestamptz,
  last_run uuid,
  last_success_at timestamptz,
  failed_in_row integer,
  partial_in_row integer,
  lost_in_row integer,
  usual_duration_ms numeric
);

create function nightshift.job_states(as_of timestamptz)
returns setof nightshift.job_state
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  with declared as (
    select 'retention-purge' as job, min(p.created_at) as at from nightshift.retention_policies p where p.enabled
    union all
    select 'view-refresh', min(p.created_at) from nightshift.refresh_policies p where p.enabled
    union all
    select 'partition-maintenance', min(p.created_at) from nightshift.partition_policies p where p.enabled
    union all
    select 'health-check', null
  ),
  names as (
    select d.job, d.at from declared d
    union all
    (select distinct r.job, null::timestamptz from nightshift.runs r where r.job not in (select d.job from declared d))
  )
  select n.job, n.at, latest.id, success.at,
    since.failed, since.partial, since.lost, usual.duration_ms
  from names n
  left join lateral (
    select r.id from nightshift.runs r
    where r.job = n.job and r.status <> 'skipped' and not r.dry_run and not r.input ? 'only' and r.started_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) latest on true
  -- A run that left something over has done its work as far as could be; partial_in_row speaks of what it left.
  left join lateral (
    select r.finished_at as at, r.started_at from nightshift.runs r
    where r.job = n.job and r.status in ('succeeded', 'partial', 'continued') and not r.dry_run and not r.input ? 'only'
      and r.finished_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) success on true
  left join lateral (
    select
      count(*) filter (where r.status = 'failed' and r.started_at > coalesce(success.started_at, '-infinity'))::integer as failed,
      count(*) filter (
        where (r.status = 'lost' or (r.status = 'running' and r.lease_expires_at <= job_states.as_of))
          and r.started_at > coalesce(success.started_at, '-infinity')
      )::integer as lost,
      count(*) filter (where r.status in ('partial', 'continued'))::integer as partial
    from nightshift.runs r
    where r.job = n.job and not r.dry_run and not r.input ? 'only' and r.started_at <= job_states.as_of
      and r.started_at > coalesce((
        select w.started_at from nightshift.runs w
        where w.job = n.job and w.status = 'succeeded' and not w.dry_run and not w.input ? 'only' and w.started_at <= job_states.as_of
        order by w.started_at desc limit 1
      ), '-infinity')
  ) since on true
  left join lateral (
    select percentile_cont(0.5) within group (order by extract(epoch from l.finished_at - l.started_at)::numeric * 1000) as duration_ms
    from (
      select r.started_at, r.finished_at from nightshift.runs r
      where r.job = n.job and r.status in ('succeeded', 'partial') and r.attempt = 1 and not r.dry_run and not r.input ? 'only' and r.id <> latest.id
      order by r.started_at desc limit 20
    ) l
  ) usual on true;
end;

comment on function nightshift.job_states is
  'One row a job: the four of Nightshift, and any other in the ledger. last_success_at: the end of the last run that did its work as far as it could (succeeded, partial, continued). failed_in_row and lost_in_row (also a run whose lease has run out): since then. partial_in_row: since the last that succeeded. usual_duration_ms: the median of the 20 runs before the last. Dry runs do not count, nor runs of a few subjects (only): they say nothing of the rest.';

create function nightshift.describe_jobs(as_of timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
begin atomic
  select coalesce(jsonb_agg(jsonb_build_object(
    'job', j.job,
    'declaredAt', j.declared_at,
    'lastRun', (select nightshift.describe_run(r) from nightshift.runs r where r.id = j.last_run) - 'report' - 'progress',
    'lastSuccessAt', j.last_success_at,
    'secondsSinceLastSuccess', extract(epoch from describe_jobs.as_of - coalesce(j.last_success_at, j.declared_at))::bigint,
    'failedInRow', j.failed_in_row,
    'partialInRow', j.partial_in_row,
    'lostInRow', j.lost_in_row,
    'usualDurationMs', round(j.usual_duration_ms)
  ) order by j.job), '[]')
  from nightshift.job_states(describe_jobs.as_of) j;
end;

comment on function nightshift.describe_jobs is
  'What the ledger says of each job, see job_states, as one JSON array: job, declaredAt (its oldest policy; null: it has none), lastRun, lastSuccessAt, secondsSinceLastSuccess (before the first: since declaredAt), failedInRow, partialInRow, lostInRow, usualDurationMs; null where there is nothing to say.';

revoke all on function nightshift.job_states, nightshift.describe_jobs from public, anon, authenticated;
grant execute on function nightshift.describe_jobs to service_role;
