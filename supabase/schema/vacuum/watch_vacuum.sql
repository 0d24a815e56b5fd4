create or replace function nightshift.watch_vacuum(run_id uuid, fence bigint, give_up boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
  vacuuming integer := nightshift.vacuuming_session();
  waiting jsonb;
begin
  if run.job <> 'table-vacuum' then
    raise exception using
      errcode = 'NS422',
      message = format('A run of %s vacuums nothing', run.job),
      hint = 'Only the run that began a vacuum looks after it.';
  end if;
  if vacuuming is null then
    return '{"outcome": "over"}';
  end if;
  begin
    perform nightshift.require_wanted(run);
  exception
    when sqlstate 'NS410' then
      perform pg_cancel_backend(vacuuming);
      raise;
  end;
  select jsonb_build_object('pid', a.pid, 'application', nullif(a.application_name, ''), 'role', a.usename) into waiting
  from pg_catalog.pg_locks l
  join pg_catalog.pg_stat_activity a using (pid)
  where not l.granted and vacuuming = any(pg_blocking_pids(l.pid))
  limit 1;
  if waiting is not null or give_up then
    perform pg_cancel_backend(vacuuming);
    return jsonb_build_object('outcome', 'cancelled', 'for', waiting);
  end if;
  return jsonb_build_object('outcome', 'running', 'pages', p.heap_blks_scanned, 'pagesTotal', p.heap_blks_total)
    from (select vacuuming as pid) v
    left join pg_catalog.pg_stat_progress_vacuum p using (pid);
end;
$$;

comment on function nightshift.watch_vacuum is
  'Looks at the vacuum under way, and extends the lease: {outcome: running, pages, pagesTotal: how far it is, null while it analyzes}. Cancels it when someone waits for a lock that it has, as autovacuum gives way, since whoever comes next would queue behind them; or with give_up: {outcome: cancelled, for: {pid, application, role} or null}. {outcome: over} when there is none. Errors: NS409 lease lost; NS410 cancelled or paused, and so is the vacuum; NS422 run of another job.';
