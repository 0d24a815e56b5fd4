create or replace function nightshift.resume_run(
  run_id uuid,
  attempt integer,
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
begin
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger; start a new run instead.';
  end if;

  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.begin_run:' || run.job, 0));
  -- Whoever repeats a call has waited for its answer, and nobody works on its run: an outage must not make it lost.
  update nightshift.runs r set heartbeat_at = as_of, lease_expires_at = as_of + r.lease
  where r.request_id = resume_run.request_id and r.status = 'running' and r.lease_expires_at <= as_of;
  lost := nightshift.mark_lost_runs(run.job, as_of);

  update nightshift.runs r
  set
    status = 'running',
    attempt = r.attempt + 1,
    request_id = resume_run.request_id,
    fence = nextval('nightshift.fences'),
    heartbeat_at = as_of,
    lease_expires_at = as_of + r.lease,
    finished_at = null
  where r.id = resume_run.run_id
    and r.attempt = resume_run.attempt
    and nightshift.waits_to_be_continued(r)
    and (r.dry_run or not exists (select 1 from nightshift.runs o where o.job = r.job and o.status = 'running' and not o.dry_run))
    and not (select s.paused from nightshift.settings s)
  returning r.* into run;

  if found then
    return jsonb_build_object('outcome', 'started', 'run', nightshift.describe_run(run), 'lost', to_jsonb(lost));
  end if;
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  return jsonb_build_object(
    'outcome', case
      when run.status = 'running' and run.request_id = resume_run.request_id then 'started'
      when run.status = 'continued' and run.attempt = resume_run.attempt then 'skipped'
      else 'duplicate'
    end,
    'run', nightshift.describe_run(run),
    'lost', to_jsonb(lost)
  );
end;
$$;

comment on function nightshift.resume_run is
  'Resumes a run that ended as continued, under a new fence. attempt is the attempt that asked to be continued: the same request a second time, or out of order, is a duplicate; the same request_id is the same call, whose answer was lost, and gets it also after the lease ran out. Skipped also when the attempt ended more than six hours ago, or was the fortieth. Returns {outcome: started | duplicate | skipped, run, lost}. Errors: NS404.';
