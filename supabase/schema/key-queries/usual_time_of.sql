create or replace function nightshift.usual_time_of(query text, before bigint default null)
returns nightshift.usual_time
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with usual as materialized (
    select t.id, t.min_ms, t.plan
    from nightshift.key_query_times t
    where t.query = usual_time_of.query and (before is null or t.id < before)
      -- What is slower must not become usual by lasting.
      and t.failure is null and t.verdict is distinct from 'slower'
    order by t.id desc
    limit 20
  ),
  middle as (
    select percentile_cont(0.5) within group (order by u.min_ms::double precision) as ms from usual u
  )
  select
    (select count(*) from usual)::integer,
    round(m.ms::numeric, 1),
    round((select percentile_cont(0.5) within group (order by abs(u.min_ms::double precision - m.ms)) from usual u)::numeric, 1),
    (select u.plan from usual u order by u.id desc limit 1)
  from middle m;
$$;

comment on function nightshift.usual_time_of is
  'What is usual of a key query, by the last 20 times that were not slower than usual, before one: how many these are, the median of their fastest runs, the median deviation from it, and the last plan.';
