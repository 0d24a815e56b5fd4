-- Health check key_queries: the time of each key query, against what it may take.
-- Why: a query that people wait for gets slower with every row, and nobody measures it before they complain.

create or replace function nightshift.health_key_queries(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    s.name,
    coalesce(s.median_ms, s.stopped_ms),
    case
      when s.stopped_ms is not null then format('It may take %s ms. It was stopped after %s ms.', s.max_ms, s.stopped_ms)
      else format('It may take %s ms. Fastest of %s runs: %s ms. Blocks: %s in shared buffers, %s not.',
        s.max_ms, s.runs, s.min_ms, nightshift.figure(s.blocks_hit), nightshift.figure(s.blocks_read))
    end,
    format('select sql from nightshift.key_queries where name = %L; -- explain (analyze, buffers) says where its time goes', s.name),
    null::numeric, s.max_ms, 2 * s.max_ms,
    case
      when s.failure is not null and (s.stopped_ms is null or s.stopped_ms < s.max_ms) then case
        when s.failure = '57014' then 'It was cancelled before it had an answer.'
        when s.failure like 'NS%' then 'It is no query any more that can be watched: select nightshift.alter_key_query('
          || quote_literal(s.name) || ', sql => ...) says why.'
        else format('It failed with %s; the Postgres log has the message.', s.failure)
      end
      -- Declared or measured this morning, it is measured again tomorrow.
      when coalesce(s.measured_at, s.created_at) < health_key_queries.as_of - interval '50 hours'
        then format('It has not been measured since %s UTC.',
          to_char(coalesce(s.measured_at, s.created_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))
    end
  from nightshift.key_query_states(health_key_queries.as_of) s;
end;
$$;

comment on function nightshift.health_key_queries is
  'The median milliseconds of each key query when it was last measured, or after how many it was stopped. The warning is at its max_ms, critical is twice that. Unknown when it failed, or was not measured for 50 hours. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'key_queries',
  title => 'Key queries',
  healthy => 'Every key query is as fast as it has to be.',
  why => 'People wait for these queries, and the team said how long they may.',
  -- Each has its own.
  unit => 'milliseconds'
);
