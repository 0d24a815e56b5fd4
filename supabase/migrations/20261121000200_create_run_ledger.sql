-- The run ledger: who ran what, when, under which lease, and what came of it.
-- Why: a trigger may arrive twice, two may arrive at once, and a function may die or freeze at any moment;
--      the ledger is where each of these is decided, by one row and one rule.
-- Locks: none on any existing object.

create sequence nightshift.fences;
revoke all on sequence nightshift.fences from public, anon, authenticated, service_role;

create table nightshift.runs (
  id uuid primary key default gen_random_uuid(),
  job text not null check (job <> ''),
  trigger text not null check (trigger in ('schedule', 'http', 'alarm', 'event', 'cli')),
  requested_by text,
  idempotency_key text,
  claim uuid not null,
  input jsonb not null default '{}',
  dry_run boolean not null default false,
  status text not null check (
    status in ('running', 'continued', 'succeeded', 'partial', 'failed', 'skipped', 'lost')
  ),
  attempt integer not null default 1,
  fence bigint not null default nextval('nightshift.fences'),
  lease interval not null default '60 seconds',
  started_at timestamptz not null,
  heartbeat_at timestamptz,
  lease_expires_at timestamptz,
  finished_at timestamptz,
  progress jsonb not null default '{}',
  report jsonb,
  error jsonb
);

comment on table nightshift.runs is 'One row for each execution of a job, kept for settings.ledger_retention.';
comment on column nightshift.runs.claim is
  'Chosen by the caller with each lease it asks for: the same claim again is the same call, whose answer was lost.';
comment on column nightshift.runs.fence is
  'Grows with every lease granted. A write that carries an older fence is refused, so a thawed function cannot act.';
comment on column nightshift.runs.progress is
  'What is done so far, written in the same transaction as the work itself: it is true even of a run that died.';

create unique index runs_idempotency_key on nightshift.runs (job, trigger, idempotency_key)
where idempotency_key is not null;
create unique index runs_claim on nightshift.runs (claim);
create unique index runs_one_running on nightshift.runs (job) where status = 'running';
create index runs_started_at on nightshift.runs (started_at);
create index runs_finished_at on nightshift.runs (finished_at);

alter table nightshift.runs enable row level security;
revoke all on nightshift.runs from public, anon, authenticated, service_role;

create function nightshift.describe_run(run nightshift.runs)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'id', run.id,
    'job', run.job,
    'trigger', run.trigger,
    'requestedBy', run.requested_by,
    'input', run.input,
    'dryRun', run.dry_run,
    'status', run.status,
    'attempt', run.attempt,
    'fence', run.fence,
    'startedAt', run.started_at,
    'heartbeatAt', run.heartbeat_at,
    'finishedAt', run.finished_at,
    'progress', run.progress,
    'report', run.report,
    'error', run.error
  );
end;

comment on function nightshift.describe_run is 'The JSON document of a run, as the functions of the ledger return it.';

create function nightshift.mark_lost_runs(job text, as_of timestamptz)
returns uuid[]
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  with lost as (
    update nightshift.runs r
    set
      status = 'lost',
      finished_at = mark_lost_runs.as_of,
      error = jsonb_build_object(
        'code', 'NS409',
        'message', 'The lease ran out without a heartbeat: the function died or was frozen.',
        'hint', 'What it had done is in progress; the next run goes on from there. Look for its last log lines.'
      )
    where r.job = mark_lost_runs.job
      and r.status = 'running'
      and r.lease_expires_at <= mark_lost_runs.as_of
    returning r.id
  )
  select coalesce(array_agg(lost.id), '{}') from lost;
end;

comment on function nightshift.mark_lost_runs is
  'Marks the running run of a job as lost when its lease has run out, and returns its id. A crash counts without anyone reporting it.';

create function nightshift.trim_runs(as_of timestamptz default now())
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  with trimmed as (
    delete from nightshift.runs r
    where r.id in (
      select old.id
      from nightshift.runs old
      where old.finished_at < trim_runs.as_of - (select s.ledger_retention from nightshift.settings s)
      order by old.finished_at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
end;

comment on function nightshift.trim_runs is
  'Deletes at most 1,000 finished runs older than settings.ledger_retention (default 90 days); returns how many. begin_run calls it.';

create function nightshift.begin_run(
  job text,
  trigger text,
  idempotency_key text default null,
  input jsonb default '{}',
  dry_run boolean default false,
  requested_by text default null,
  lease_seconds integer default 60,
  claim uuid default gen_random_uuid(),
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  run nightshift.runs;
  lost uuid[];
  blocker uuid;
  skip_reason jsonb;
begin
  if lease_seconds is null or lease_seconds < 1 then
    raise exception using
      errcode = 'NS422',
      message = 'lease_seconds must be at least 1',
      hint = 'It is how long a run may go without a heartbeat before it counts as lost; 60 by default.';
  end if;

  -- Triggers of one job line up here, so what follows sees every earlier decision.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.begin_run:' || begin_run.job, 0));

  lost := nightshift.mark_lost_runs(begin_run.job, as_of);

  select r.* into run from nightshift.runs r where r.claim = begin_run.claim;
  if found then
    return jsonb_build_object(
      'outcome', case run.status when 'running' then 'started' when 'skipped' then 'skipped' else 'duplicate' end,
      'run', nightshift.describe_run(run),
      'lost', to_jsonb(lost)
    );
  end if;
  select r.* into run from nightshift.runs r
  where r.job = begin_run.job
    and r.trigger = begin_run.trigger
    and r.idempotency_key = begin_run.idempotency_key;
  if found then
    if run.input <> coalesce(begin_run.input, '{}') then
      raise exception using
        errcode = 'NS422',
        message = 'This idempotency key was used with another input',
        detail = format('Run %s has it.', run.id),
        hint = 'Use a new key for a new request; repeat a request with the same input.';
    end if;
    return jsonb_build_object('outcome', 'duplicate', 'run', nightshift.describe_run(run), 'lost', to_jsonb(lost));
  end if;

  perform nightshift.trim_runs(least(as_of, now()));

  select r.id into blocker from nightshift.runs r
  where r.job = begin_run.job and r.status = 'running';
  select case
    when blocker is not null then jsonb_build_object(
      'reason', 'overlap', 'message', 'Another run of this job is under way.', 'runId', blocker)
    when s.paused then jsonb_build_object(
      'reason', 'paused',
      'message', 'Nightshift is paused' || coalesce(': ' || s.paused_reason, '') || '.')
  end into skip_reason
  from nightshift.settings s;

  insert into nightshift.runs as r (
    claim, job, trigger, requested_by, idempotency_key, input, dry_run, status, lease,
    started_at, heartbeat_at, lease_expires_at, finished_at, report
  )
  values (
    begin_run.claim, begin_run.job, begin_run.trigger, begin_run.requested_by,
    -- A skipped run has not done what the key asks for, so the key may ask again.
    case when skip_reason is null then begin_run.idempotency_key end,
    coalesce(begin_run.input, '{}'), coalesce(begin_run.dry_run, false),
    case when skip_reason is null then 'running' else 'skipped' end,
    make_interval(secs => lease_seconds),
    as_of, as_of, case when skip_reason is null then as_of + make_interval(secs => lease_seconds) end,
    case when skip_reason is not null then as_of end,
    skip_reason
  )
  returning r.* into run;

  return jsonb_build_object(
    'outcome', case when skip_reason is null then 'started' else 'skipped' end,
    'run', nightshift.describe_run(run),
    'lost', to_jsonb(lost)
  );
end;
$$;

comment on function nightshift.begin_run is
  'Begins a run of a job, or says why not. Returns {outcome, run, lost}: started (the caller holds the lease; pass run.id and run.fence to every write), duplicate (idempotency_key was seen; run is the earlier one), skipped (another run holds a live lease, or Nightshift is paused; recorded). A run whose lease ran out is marked lost first. claim: chosen by the caller, so that a call whose answer was lost can be repeated and gets the same answer. An idempotency key counts within its job and trigger; a skipped run does not use it up. lease_seconds: seconds without a heartbeat until the run counts as lost, default 60. Errors: NS422, also for a key that was used with another input.';

create function nightshift.resume_run(
  run_id uuid,
  attempt integer,
  claim uuid default gen_random_uuid(),
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  run nightshift.runs;
  lost uuid[];
begin
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger; start a new run instead.';
  end if;

  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.begin_run:' || run.job, 0));
  lost := nightshift.mark_lost_runs(run.job, as_of);

  update nightshift.runs r
  set
    status = 'running',
    attempt = r.attempt + 1,
    claim = resume_run.claim,
    fence = nextval('nightshift.fences'),
    heartbeat_at = as_of,
    lease_expires_at = as_of + r.lease,
    finished_at = null
  where r.id = resume_run.run_id
    and r.status = 'continued'
    and r.attempt = resume_run.attempt
    and not exists (select 1 from nightshift.runs o where o.job = r.job and o.status = 'running')
    and not (select s.paused from nightshift.settings s)
  returning r.* into run;

  if found then
    return jsonb_build_object('outcome', 'started', 'run', nightshift.describe_run(run), 'lost', to_jsonb(lost));
  end if;
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  return jsonb_build_object(
    'outcome', case
      when run.status = 'running' and run.claim = resume_run.claim then 'started'
      when run.status = 'continued' and run.attempt = resume_run.attempt then 'skipped'
      else 'duplicate'
    end,
    'run', nightshift.describe_run(run),
    'lost', to_jsonb(lost)
  );
end;
$$;

comment on function nightshift.resume_run is
  'Resumes a run that ended as continued, under a new fence. attempt is the attempt that asked to be continued: the same request a second time, or out of order, is a duplicate; the same claim is the same call, whose answer was lost. Returns {outcome: started | duplicate | skipped, run, lost}. Errors: NS404.';

create function nightshift.hold_run(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  run nightshift.runs;
begin
  update nightshift.runs r
  set heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + r.lease
  where r.id = hold_run.run_id and r.fence = hold_run.fence and r.status = 'running'
  returning r.* into run;
  if not found then
    raise exception using
      errcode = 'NS409',
      message = format('Run %s no longer holds the lease under fence %s', run_id, fence),
      detail = 'The lease ran out, the run was finished, or another attempt took over. Nothing was changed.',
      hint = 'Stop this attempt. The run that took over finishes the work.';
  end if;
  return run;
end;
$$;

comment on function nightshift.hold_run is
  'The fence: extends the lease and locks the run until the transaction ends, or refuses with NS409. Every write of a run calls it first, so no write can outlive its lease.';

create function nightshift.heartbeat_run(run_id uuid, fence bigint)
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select nightshift.describe_run(nightshift.hold_run(heartbeat_run.run_id, heartbeat_run.fence));
end;

comment on function nightshift.heartbeat_run is
  'Extends the lease of a run and returns the run. Errors: NS409 when the lease is lost.';

create function nightshift.finish_run(
  run_id uuid,
  fence bigint,
  status text,
  report jsonb default null,
  error jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs;
begin
  if finish_run.status is null or finish_run.status not in ('continued', 'succeeded', 'partial', 'failed') then
    raise exception using
      errcode = 'NS422',
      message = format('A run cannot finish as %L', finish_run.status),
      hint = 'Use continued, succeeded, partial or failed.';
  end if;
  select r.* into run from nightshift.runs r
  where r.id = finish_run.run_id and r.fence = finish_run.fence and r.status = finish_run.status;
  if found then
    return nightshift.describe_run(run);
  end if;
  perform nightshift.hold_run(run_id, fence);
  update nightshift.runs r
  set
    status = finish_run.status,
    report = finish_run.report,
    error = finish_run.error,
    finished_at = clock_timestamp(),
    lease_expires_at = null
  where r.id = finish_run.run_id
  returning r.* into run;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.finish_run is
  'Ends a run as continued, succeeded, partial or failed, with its report, and gives up the lease. Repeating the call changes nothing. Errors: NS409 lease lost, NS422 unknown status.';

create function nightshift.list_runs(job text default null, max_runs integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(jsonb_agg(nightshift.describe_run(r) order by r.started_at desc), '[]')
  from (
    select r.*
    from nightshift.runs r
    where list_runs.job is null or r.job = list_runs.job
    order by r.started_at desc
    limit least(greatest(list_runs.max_runs, 1), 1000)
  ) r;
end;

comment on function nightshift.list_runs is
  'The newest runs first, as one JSON document; of one job when job is given. max_runs: 1 to 1000, default 20.';

revoke all on function
  nightshift.describe_run, nightshift.mark_lost_runs, nightshift.trim_runs, nightshift.begin_run,
  nightshift.resume_run, nightshift.hold_run, nightshift.heartbeat_run, nightshift.finish_run, nightshift.list_runs
from public, anon, authenticated;
grant execute on function
  nightshift.begin_run, nightshift.resume_run, nightshift.heartbeat_run, nightshift.finish_run,
  nightshift.list_runs
to service_role;
