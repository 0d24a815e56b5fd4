create or replace function nightshift.begin_run(
  job text,
  trigger text,
  idempotency_key text default null,
  input jsonb default '{}',
  dry_run boolean default false,
  requested_by text default null,
  lease_seconds integer default 60,
  request_id uuid default gen_random_uuid(),
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
  run nightshift.runs;
  lost uuid[];
  other nightshift.runs;
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

  -- Whoever repeats a call has waited for its answer, and nobody works on its run: an outage must not make it lost.
  update nightshift.runs r set heartbeat_at = as_of, lease_expires_at = as_of + r.lease
  where r.request_id = begin_run.request_id and r.status = 'running' and r.lease_expires_at <= as_of;
  -- Before a run is marked as lost: its last sign of life may be older than what the ledger keeps, and it has yet to be told of.
  perform nightshift.trim_runs(least(as_of, now()));
  lost := nightshift.mark_lost_runs(begin_run.job, as_of);

  select r.* into run from nightshift.runs r where r.request_id = begin_run.request_id;
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

  -- Who waits for the answer is told; nobody reads the answer to a schedule, whose run fails where alarms see it.
  if begin_run.trigger in ('cli', 'http') then
    perform nightshift.require_known_names(begin_run.job, begin_run.input);
  end if;

  select r.* into other from nightshift.runs r
  where r.job = begin_run.job and r.status = 'running' and not r.dry_run and not coalesce(begin_run.dry_run, false);
  select case
    when other.id is not null then jsonb_build_object(
      'reason', 'overlap',
      'message', format('Another run of this job is under way: %s, since %s UTC.', left(other.id::text, 8),
        to_char(other.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
      'runId', other.id)
    when s.paused and not exists (select 1 from nightshift.jobs j where j.name = begin_run.job and j.runs_while_paused) then jsonb_build_object(
      'reason', 'paused',
      'message', 'Nightshift is paused' || coalesce(': ' || s.paused_reason, '') || '.')
  end into skip_reason
  from nightshift.settings s;

  insert into nightshift.runs as r (
    request_id, job, trigger, requested_by, idempotency_key, input, dry_run, status, lease,
    started_at, heartbeat_at, lease_expires_at, finished_at, report
  )
  values (
    begin_run.request_id, begin_run.job, begin_run.trigger, begin_run.requested_by,
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
  'Begins a run of a job, or says why not. Returns {outcome, run, lost}: started (the caller holds the lease; pass run.id and run.fence to every write), duplicate (idempotency_key was seen; run is the earlier one), skipped (another run holds a live lease, or Nightshift is paused, which does not keep the health check; recorded). A dry run takes no lease: it waits for nobody, and nobody waits for it. A run whose lease ran out is marked lost first. request_id: chosen by the caller, so that a call whose answer was lost can be repeated and gets the same answer, also after the lease ran out. An idempotency key counts within its job and trigger; a skipped run does not use it up. lease_seconds: seconds without a heartbeat until the run counts as lost, default 60. Errors: NS422, also for a key that was used with another input; for what was asked by hand or over HTTP also what require_known_names raises, and then no run is recorded.';
