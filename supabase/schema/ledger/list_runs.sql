create or replace function nightshift.list_runs(job text default null, max_runs integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(nightshift.describe_run(nightshift.run_as_of(r, now())) order by r.started_at desc), '[]')
  from (
    select r.*
    from nightshift.runs r
    where r.job = list_runs.job
      or (list_runs.job is null and not (r.job = 'health-check' and r.status = 'succeeded' and r.input @> '{"quick": true}'))
    order by r.started_at desc
    limit least(greatest(list_runs.max_runs, 1), 1000)
  ) r;
$$;

comment on function nightshift.list_runs is
  'The newest runs first, as one JSON document; of one job when job is given, else without the quick health checks that succeeded, of which there are hundreds a day. max_runs: 1 to 1000, default 20.';
