create or replace function nightshift.extend_lease(run_id uuid, fence bigint)
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
  where r.id = extend_lease.run_id and r.fence = extend_lease.fence and r.status = 'running'
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

comment on function nightshift.extend_lease is
  'The fence: extends the lease and locks the run until the transaction ends, or refuses with NS409. For what a run may do even when it has to end: what it works with calls hold_run.';
