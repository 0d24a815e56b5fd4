-- A run goes on within six hours of its last attempt, and is begun 40 times at most.
-- Why: whoever may put events on the bus could have a run of last month go on, with the force that somebody gave it then, and
--      any run for ever. An event is delivered within two hours or not at all.
-- Locks: none on any existing object.

create or replace function nightshift.resume_run(
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
set jit = off
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
    and r.attempt < 40
    and r.finished_at > now() - interval '6 hours'
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
  'Resumes a run that ended as continued, under a new fence. attempt is the attempt that asked to be continued: the same request a second time, or out of order, is a duplicate; the same claim is the same call, whose answer was lost. Skipped also when the attempt ended more than six hours ago, or was the fortieth. Returns {outcome: started | duplicate | skipped, run, lost}. Errors: NS404.';
