create or replace function nightshift.find_needed_with(
  rows nightshift.row_set[],
  wanted nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_mergejoin = off
set enable_hashjoin = on
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
declare
  needed nightshift.row_set[];
  covered nightshift.row_set[];
begin
  with recursive inside as materialized (
    select s.policy, s.relation, s.due, t.tid from unnest(rows) s cross join lateral unnest(s.tids) t(tid)
  ),
  links as materialized (
    select f.policy, f.relation, f.tid, i.policy as referencing_policy, i.relation as referencing_relation, i.due as referencing_due,
      i.tid as referencing_tid
    from inside i
    join nightshift.find_references(rows, rows, array(select k from unnest(keys) k where k.role <> 'release')) f
      on f.referencing_relation = i.relation and f.referencing_tid = i.tid
  ),
  needed(policy, relation, due, tid) as (
    select i.policy, i.relation, i.due, i.tid
    from inside i
    where ((i.relation, i.tid) in (select s.relation, t.tid from unnest(wanted) s cross join lateral unnest(s.tids) t(tid))) is true
    union
    select l.referencing_policy, l.referencing_relation, l.referencing_due, l.referencing_tid
    from needed r
    join links l on l.policy = r.policy and l.relation = r.relation and l.tid = r.tid
  )
  select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set) into needed
  from (select n.policy, n.relation, n.due, array_agg(n.tid) as tids from needed n group by n.policy, n.relation, n.due) g;
  -- A child may need another row than that which led to it. By one policy alone: it is enough that each row goes by one of them.
  covered := nightshift.find_covered_rows(needed, keys);
  return case when nightshift.count_rows(nightshift.subtract_row_sets(needed, covered)) = 0 then covered else rows end;
end;
$$;

comment on function nightshift.find_needed_with is
  'Of rows that can go together, those without which wanted ones cannot: these, and what refers to them, directly or not. All of rows when that is not enough for them to go.';
