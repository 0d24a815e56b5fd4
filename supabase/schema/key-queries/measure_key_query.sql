-- Runs a key query a few times, and writes down how long it took.
-- Why a few: the first run waits for the disk, and any for its neighbours; the fastest says most of the query itself.
-- Locks: ACCESS SHARE of what it reads, for as long as it runs; the run, until the transaction ends.

create or replace function nightshift.measure_key_query(run_id uuid, fence bigint, query_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
as $$
declare
  started constant timestamptz := clock_timestamp();
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  query nightshift.key_queries;
  explained jsonb;
  times numeric[] := '{}';
  measured nightshift.key_query_times;
  context text;
begin
  perform nightshift.require_real_run(run, 'health-check', 'measures nothing');
  select q.* into query from nightshift.key_queries q where q.name = query_name;
  if not found then
    return '{"outcome": "gone"}';
  end if;
  measured.query := query.name;
  measured.measured_at := run.started_at;
  begin
    loop
      -- What the query names may be someone else's by now: also since the run before, which may have taken seconds.
      perform nightshift.require_reading_query(query.sql);
      explained := nightshift.explain_key_query(query.sql, run_it => true);
      times := times || (explained ->> 'Planning Time')::numeric + (explained ->> 'Execution Time')::numeric;
      exit when cardinality(times) >= 5 or clock_timestamp() - started > interval '1 second';
    end loop;
  exception
    when query_canceled then
      measured.stopped_ms := round(extract(epoch from clock_timestamp() - started) * 1000);
      measured.failure := sqlstate;
    -- A function that the query calls may raise any code there is. Each is kept and logged, and none is passed over.
    when others then
      raise log 'nightshift: key query % could not run: % (%)', query.name, sqlerrm, sqlstate;
      measured.failure := sqlstate;
  end;
  measured.runs := cardinality(times);
  if measured.failure is null then
    select round(min(t), 1), round((percentile_cont(0.5) within group (order by t::double precision))::numeric, 1)
    into measured.min_ms, measured.median_ms
    from unnest(times) t;
    measured.blocks_hit := explained #>> '{Plan,Shared Hit Blocks}';
    measured.blocks_read := explained #>> '{Plan,Shared Read Blocks}';
    measured.plan := nightshift.plan_shape(explained);
    measured.verdict := nightshift.judge_key_query(nightshift.usual_time_of(query.name), measured.min_ms, measured.plan);
  end if;
  insert into nightshift.key_query_times
    (query, measured_at, runs, min_ms, median_ms, blocks_hit, blocks_read, plan, verdict, failure, stopped_ms)
  select measured.query, measured.measured_at, measured.runs, measured.min_ms, measured.median_ms, measured.blocks_hit,
    measured.blocks_read, measured.plan, measured.verdict, measured.failure, measured.stopped_ms;
  delete from nightshift.key_query_times t
  where t.query = query.name and t.id <= (
    select o.id from nightshift.key_query_times o where o.query = query.name order by o.id desc offset 100 limit 1
  );
  return jsonb_build_object(
    'outcome', case when measured.failure is null then 'measured' else 'failed' end,
    'verdict', measured.verdict
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_key_query is
  'Runs a key query up to five times, for about a second, and keeps the fastest and the median time (with planning), its blocks and the shape of its plan: {outcome: measured, verdict: see judge_key_query} or {outcome: failed}, which is kept as well; {outcome: gone} when it was removed. Nobody gets a row of it. The last 100 times are kept. Errors: NS409 lease lost, NS410 cancelled, NS422 dry run or run of another job.';
