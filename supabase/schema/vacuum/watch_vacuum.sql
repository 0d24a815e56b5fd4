create or replace function nightshift.watch_vacuum(run_id uuid, fence bigint, give_up boolean default false, index_name text default null)
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
  if index_name is not null then
    -- Should it break off, this tells what it leaves from what others leave.
    update nightshift.runs r
    set progress = jsonb_set(r.progress, array['indexes', index_name], s.step || jsonb_build_object(
      'isWatched', true,
      'built', s.step -> 'built' || coalesce((
        select jsonb_agg(x.leftover::oid)
        from nightshift.reindex_leftovers(nightshift.find_relation(index_name)) x
        -- Whoever rebuilds an index has this lock of what is to take its place.
        join pg_catalog.pg_locks l on l.locktype = 'relation' and l.relation = x.leftover and l.pid = vacuuming
          and l.granted and l.mode = 'ShareUpdateExclusiveLock'
        where not x.is_ours
      ), '[]')
    ))
    from (select r2.progress #> array['indexes', index_name] as step from nightshift.runs r2 where r2.id = run.id) s
    where r.id = run.id and s.step is not null;
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
  return jsonb_build_object('outcome', 'running', 'pages', coalesce(p.heap_blks_scanned, i.blocks_done),
      'pagesTotal', coalesce(p.heap_blks_total, i.blocks_total))
    from (select vacuuming as pid) v
    left join pg_catalog.pg_stat_progress_vacuum p using (pid)
    left join pg_catalog.pg_stat_progress_create_index i using (pid);
end;
$$;

comment on function nightshift.watch_vacuum is
  'Looks at the vacuum under way, or the rebuilding of index_name, and extends the lease: {outcome: running, pages, pagesTotal: how far it is, null while it analyzes}. Cancels it when someone waits for a lock that it has, as autovacuum gives way, since whoever comes next would queue behind them; or with give_up: {outcome: cancelled, for: {pid, application, role} or null}. {outcome: over} when there is none. Errors: NS409 lease lost; NS410 cancelled or paused, and so is the vacuum; NS422 run of another job.';
