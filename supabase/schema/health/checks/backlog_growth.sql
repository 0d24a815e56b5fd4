-- Health check backlog_growth: how many nights in a row each purge has left more than the night before.
-- Why: a purge that works every night and still falls behind needs more time, or smaller tables; a single long night does not.

create or replace function nightshift.health_backlog_growth(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with night as (
    select s.relation, s.place, s.step, (s.step ->> 'rowsLeft')::numeric as rows_left,
      lead((s.step ->> 'rowsLeft')::numeric) over (partition by s.relation order by s.place) as rows_before
    from nightshift.purge_steps(health_backlog_growth.as_of, true, 4) s
  ),
  trend as (
    select n.relation,
      count(*) - 1 as comparisons,
      min(n.place) filter (where n.rows_before is not null and n.rows_left <= n.rows_before) - 1 as grown_until,
      string_agg(n.rows_left::text, ', ' order by n.place desc) as figures,
      bool_or(n.place = 1 and nightshift.only_needed(n.step)) as needed,
      string_agg(nightshift.describe_needs(n.step), '') filter (where n.place = 1) as needs,
      string_agg(nightshift.fix_of_step(n.step), '') filter (where n.place = 1) as fix
    from night n
    group by n.relation
  )
  select
    p.relation::text,
    coalesce(t.grown_until, t.comparisons, 0)::numeric,
    case when t.relation is null then 'No scheduled run has reported on it yet.'
      else format('Rows left by the last scheduled runs: %s.%s', t.figures,
        case when t.needed then format(' All of the last are still needed, by %s.', t.needs) end) end,
    coalesce(case when t.needed then t.fix end, nightshift.run_by_hand('nightshift.retention_policies')),
    case when t.needed then 3::numeric end, null::numeric, null::numeric, null::text
  from nightshift.retention_policies p
  left join trend t on t.relation = p.relation::text
  where p.enabled;
end;
$$;

comment on function nightshift.health_backlog_growth is
  'How many times in a row, up to now, a scheduled purge left more rows of a table than the one before it, over the last four. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'backlog_growth',
  title => 'Backlogs that grow',
  healthy => 'No purge falls further behind from night to night.',
  why => 'A purge that falls behind every night never catches up by itself.',
  unit => 'times', warning => 3
);
