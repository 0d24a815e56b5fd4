-- Health check slower_key_queries: the time of each key query, against its own usual one.
-- Why: what became slower last night has a cause of last night, which is easily found while somebody remembers.

create or replace function nightshift.health_slower_key_queries(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    s.name,
    round(s.min_ms / greatest(s.usual_ms, 0.1), 1),
    concat(
      format('Fastest %s ms, usually %s ms', s.min_ms, s.usual_ms),
      case when s.verdict in ('slower', 'faster') then to_char(s.since at time zone 'UTC', '" until "YYYY-MM-DD HH24:MI" UTC"') end,
      case when s.plan <> s.usual_plan
        then format(E'. The plan was:\n%s\nand is now:\n%s', s.usual_plan, s.plan)
        else format(E'. The plan is the same:\n%s', s.plan) end
    ),
    format('select sql from nightshift.key_queries where name = %L; -- if it is to stay so: nightshift.alter_key_query with its sql learns anew what is usual',
      s.name),
    -- What is faster is worth a word; what is slower only once the second time has confirmed it.
    case when s.verdict = 'faster' and s.is_confirmed then 0
      when s.verdict = 'usual' and s.plan <> s.usual_plan then 0
      else 'infinity'::numeric end,
    case when s.verdict = 'slower' and s.is_confirmed then 1.5 end,
    null::numeric, null::text
  from nightshift.key_query_states(health_slower_key_queries.as_of) s
  where s.verdict is not null;
end;
$$;

comment on function nightshift.health_slower_key_queries is
  'How many times its usual time the fastest run of each key query took, once five times are known. A warning when it was slower than usual (see judge_key_query) twice in a row; info when it was faster twice in a row, or its plan changed and its time did not. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'slower_key_queries',
  title => 'Key queries that became slower',
  healthy => 'No key query is slower than usual.',
  why => 'What a query took yesterday it should take today: a lost index, old statistics or another plan shows here first.',
  unit => 'times', warning => 1.5
);
