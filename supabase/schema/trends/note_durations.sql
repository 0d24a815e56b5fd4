create or replace function nightshift.note_durations()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  with noted as (
    select max(p.at) as until from nightshift.trend_points p where p.kind = 'job'
  )
  insert into nightshift.trend_points as p (kind, subject, at, duration_ms)
  select 'job', r.job, date_trunc('hour', r.finished_at, 'UTC'), max(extract(epoch from r.finished_at - r.started_at) * 1000 - paused.ms)
  from noted n
  join nightshift.runs r on r.finished_at >= coalesce(n.until, '-infinity')
  -- Pauses of a purge say how much others had to do.
  cross join lateral (
    select coalesce(sum(p.ms::numeric), 0) as ms from jsonb_path_query(r.report, 'lax $.steps[*].pacedMs') p(ms)
  ) paused
  where r.status in ('succeeded', 'partial')
    and not r.dry_run and not r.input ? 'only' and not r.input @> '{"quick": true}'
  group by 2, 3
  on conflict (kind, subject, at) do update set duration_ms = greatest(p.duration_ms, excluded.duration_ms);
$$;

comment on function nightshift.note_durations is
  'Notes for each job and hour how long its longest whole run took without its pauses, from the last hour that is noted on, or of the whole ledger: not dry, not of a few subjects, not a quick health check.';
