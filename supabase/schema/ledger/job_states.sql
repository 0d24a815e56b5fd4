-- What the ledger says of each job: when it last did its work, and what has gone wrong since.
-- Why: the command line, the health checks and the metrics all answer "is it running?" from the same place.
-- Locks: nightshift.runs against writes, while an index of it is built.

create or replace function nightshift.job_states(as_of timestamptz)
returns setof nightshift.job_state
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with declared as (
    select j.name as job, nightshift.declared_since(j) as at from nightshift.jobs j
  ),
  names as (
    select d.job, d.at from declared d
    union all
    (select distinct r.job, null::timestamptz from nightshift.runs r where r.job not in (select d.job from declared d))
  )
  select n.job, n.at, latest.id, success.at,
    since.failed, since.partial, since.lost, usual.duration_ms
  from names n
  left join lateral (
    select r.id, r.input @> '{"quick": true}' as quick from nightshift.runs r
    where r.job = n.job and r.status <> 'skipped' and not r.dry_run and not r.input ?| array['only', 'reindex'] and r.started_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) latest on true
  -- A run that left something over has done its work as far as could be; partial_in_row speaks of what it left.
  left join lateral (
    select r.finished_at as at, r.started_at from nightshift.runs r
    where r.job = n.job and r.status in ('succeeded', 'partial', 'continued') and not r.dry_run and not r.input ?| array['only', 'reindex']
      and r.finished_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) success on true
  left join lateral (
    select
      count(*) filter (where r.status = 'failed' and r.started_at > coalesce(success.started_at, '-infinity'))::integer as failed,
      count(*) filter (
        where (r.status = 'lost' or (r.status = 'running' and r.lease_expires_at <= job_states.as_of))
          and r.started_at > coalesce(success.started_at, '-infinity')
      )::integer as lost,
      count(*) filter (where r.status in ('partial', 'continued'))::integer as partial
    from nightshift.runs r
    where r.job = n.job and not r.dry_run and not r.input ?| array['only', 'reindex'] and r.started_at <= job_states.as_of
      and r.started_at > coalesce((
        select w.started_at from nightshift.runs w
        where w.job = n.job and w.status = 'succeeded' and not w.dry_run and not w.input ?| array['only', 'reindex'] and w.started_at <= job_states.as_of
        order by w.started_at desc limit 1
      ), '-infinity')
  ) since on true
  left join lateral (
    select percentile_cont(0.5) within group (order by extract(epoch from l.finished_at - l.started_at)::numeric * 1000)::numeric as duration_ms
    from (
      select r.started_at, r.finished_at from nightshift.runs r
      where r.job = n.job and r.status in ('succeeded', 'partial') and r.attempt = 1 and not r.dry_run and not r.input ?| array['only', 'reindex'] and r.id <> latest.id
        and r.input @> '{"quick": true}' = latest.quick
      order by r.started_at desc limit 20
    ) l
  ) usual on true;
end;
$$;

comment on function nightshift.job_states is
  'One row a job: those of nightshift.jobs, and any other in the ledger. last_success_at: the end of the last run that did its work as far as it could (succeeded, partial, continued). failed_in_row and lost_in_row (also a run whose lease has run out): since then. partial_in_row: since the last that succeeded. usual_duration_ms: the median of the 20 runs before the last, quick health checks apart from full ones. Dry runs do not count, nor runs of a few subjects (only): they say nothing of the rest.';
