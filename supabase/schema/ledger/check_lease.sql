create or replace function nightshift.check_lease(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs;
begin
  select r.* into run from nightshift.runs r
  where r.id = check_lease.run_id and r.fence = check_lease.fence and r.status = 'running';
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

comment on function nightshift.check_lease is
  'The fence for work that takes longer than a lease and may run beside other work of its run: refuses with NS409 as hold_run does, but neither extends the lease (heartbeat_run does) nor locks the run. For work that does no harm when a takeover repeats it.';
