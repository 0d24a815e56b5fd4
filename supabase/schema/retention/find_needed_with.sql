create or replace function nightshift.find_needed_with(
  rows nightshift.row_set[],
  wanted nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  taken constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role <> 'release' and k.related && relations);
  steps text;
  needed nightshift.row_set[];
begin
  select string_agg(s.step, ' union all ' order by s.step) into steps
  from (
    select nightshift.reference_step(j.referenced_scan, 't', j.referenced_leaves, format('r.policy = %s', k.policy), string_agg(
      format('select x.tableoid, x.ctid from %s x where %s', j.referencing_scan, j.condition), ' union all '
    )) as step
    from unnest(taken) k
    join nightshift.key_joins(array(select distinct t.key from unnest(taken) t)) j on j.key = k.key
    group by k.policy, j.referenced_scan, j.referenced_leaves
  ) s;
  if steps is null then
    return rows;
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, s.due, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     needed(policy, relation, due, tid) as (
       select i.policy, i.relation, i.due, i.tid
       from inside i
       where ((i.relation, i.tid) in (select s.relation, t.tid from unnest($2) s cross join lateral unnest(s.tids) t(tid))) is true
       union
       select i.policy, i.relation, i.due, i.tid
       from needed r
       cross join lateral (%s) f(relation, tid)
       join inside i on i.relation = f.relation and i.tid = f.tid
     )
     select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
     from (select n.policy, n.relation, n.due, array_agg(n.tid) as tids from needed n group by n.policy, n.relation, n.due) g',
    steps
  ) into needed using rows, wanted;
  -- A child may need another row than that which led to it.
  return case when nightshift.count_rows(nightshift.find_covered_rows(needed, keys)) = nightshift.count_rows(needed) then needed else rows end;
end;
$$;

comment on function nightshift.find_needed_with is
  'Of rows that can go together, those without which wanted ones cannot: these, and what refers to them, directly or not. All of rows when that is not enough for them to go.';
