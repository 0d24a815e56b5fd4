-- Health check jobs_lost: how many runs of each job have ended without a word, one after the other.
-- Why: a function that dies, or is killed for its memory or time, reports nothing itself.

create or replace function nightshift.health_jobs_lost(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    j.job,
    j.lost_in_row::numeric,
    case when j.lost_in_row = 0 then 'The last one came to its end.' else format(
      '%s in a row. The last, of %s UTC, gave its last sign of life after %s s; the log of the function says what it did then.',
      j.lost_in_row, to_char(l.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      round(extract(epoch from l.heartbeat_at - l.started_at))) end,
    format('-- npm run nightshift -- run %s', j.job),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_lost.as_of) j
  left join lateral (
    select r.started_at, r.heartbeat_at
    from nightshift.runs r
    where j.lost_in_row > 0 and r.job = j.job and not r.dry_run and not r.input ?| array['only', 'reindex'] and r.started_at <= health_jobs_lost.as_of
      and (r.status = 'lost' or r.status = 'running' and r.lease_expires_at <= health_jobs_lost.as_of)
    order by r.started_at desc
    limit 1
  ) l on true;
end;
$$;

comment on function nightshift.health_jobs_lost is
  'Runs of a job since the last one that did its work whose lease ran out without an end. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_lost',
  title => 'Jobs that die',
  healthy => 'Every run came to its end.',
  why => 'A function that is killed, for its memory or its time, dies at the same place again; what it had done stays done.',
  unit => 'times', warning => 1, critical => 3, quick => true
);
