create or replace function nightshift.note_durations(since timestamptz)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.trend_points as p (kind, subject, at, duration_ms)
  select 'job', r.job, date_trunc('hour', r.finished_at, 'UTC'), max(extract(epoch from r.finished_at - r.started_at) * 1000)
  from nightshift.runs r
  where r.finished_at >= note_durations.since and r.status in ('succeeded', 'partial')
    and not r.dry_run and not r.input ? 'only' and not r.input @> '{"quick": true}'
  group by 2, 3
  on conflict (kind, subject, at) do update set duration_ms = greatest(p.duration_ms, excluded.duration_ms);
$$;

comment on function nightshift.note_durations is
  'Notes for each job and hour how long its longest whole run took that ended since then: not dry, not of a few subjects, not a quick health check.';
