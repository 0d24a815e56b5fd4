create or replace function nightshift.find_unled_rows(
  run nightshift.runs,
  rows nightshift.row_set[],
  policies oid[],
  keys nightshift.purge_key[]
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set enable_nestloop = on
set plan_cache_mode = force_generic_plan
as $$
declare
  child_keys constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role = 'child');
  due_rows constant nightshift.row_set[] := array(
    select row(null, r.relation, true, d.tids)::nightshift.row_set
    from unnest(rows) r
    cross join lateral (select nightshift.find_due_among(run, policies, r.relation, r.tids) as tids) d
  );
  children constant nightshift.row_set[] := array(
    select row(m.policy, r.relation, null, r.tids)::nightshift.row_set
    from (select r.relation, array_agg(distinct t.tid) as tids from unnest(rows) r cross join lateral unnest(r.tids) t(tid) group by r.relation) r
    join nightshift.policy_members(policies) m on m.is_child and r.relation in (select nightshift.related_tables(m.member))
  );
  steps text;
  climbed nightshift.row_set[];
begin
  if cardinality(rows) = 0 then
    return rows;
  end if;
  with joins as materialized (
    select j.* from nightshift.key_joins(array(select distinct k.key from unnest(child_keys) k)) j
  ),
  due as materialized (
    select p.relation::oid as policy, array(select nightshift.related_tables(p.relation)) as related,
      nightshift.due_by_policy('t', p, run.started_at) as condition
    from nightshift.retention_policies p
    where p.relation::oid in (select k.policy from unnest(child_keys) k)
  )
  select string_agg(s.step, ' union all ' order by s.step) into steps
  from (
    select nightshift.reference_step(j.referencing_scan, 'x', j.referencing_leaves, format('r.policy = %s', k.policy), string_agg(format(
      'select %s::oid, t.tableoid, t.ctid, %s from %s t where %s',
      k.policy, case when k.referenced::oid = any(d.related) then d.condition else 'false' end, j.referenced_scan, j.condition
    ), ' union all ')) as step
    from unnest(child_keys) k
    join joins j on j.key = k.key
    join due d on d.policy = k.policy
    group by j.referencing_scan, j.referencing_leaves, k.policy
  ) s;
  if steps is null then
    return nightshift.subtract_row_sets(rows, due_rows);
  end if;
  execute format(
    'with recursive climbed(policy, relation, tid, due) as (
       select s.policy, s.relation, t.tid, false from unnest($1) s cross join lateral unnest(s.tids) t(tid)
       union
       select f.policy, f.relation, f.tid, f.due
         and not exists (
           select from nightshift.purge_decisions d
           where d.run_id = %L and d.relation = f.relation and d.tid = f.tid and d.fate not in (''gone'', ''assessed'')
         )
       from climbed r cross join lateral (%s) f(policy, relation, tid, due)
       where not r.due
     )
     select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
     from (
       select c.policy, c.relation, c.due, array_agg(c.tid) as tids from climbed c group by c.policy, c.relation, c.due
     ) g',
    run.id, steps
  ) into climbed using children;
  return nightshift.subtract_row_sets(rows, due_rows || nightshift.find_covered_rows(climbed, child_keys));
end;
$$;

comment on function nightshift.find_unled_rows is
  'Those of rows, which by policies may be children, that stay: not due, and nothing that they would go with, directly or not, is due or can go as far as the run knows.';
