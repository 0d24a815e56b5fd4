create or replace function nightshift.spread_hold(
  rows nightshift.row_set[],
  staying nightshift.held_row[],
  keys nightshift.purge_key[]
)
returns setof nightshift.held_row
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
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  taken constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role <> 'release' and k.related && relations);
  steps text;
begin
  select string_agg(s.step, ' union all ' order by s.step) into steps
  from (
    select nightshift.reference_step(j.referencing_scan, 'x', j.referencing_leaves, 'true', string_agg(format(
      'select %s::oid, t.tableoid, t.ctid, %s, %s from %s t where %s', k.policy,
      case k.role when 'keep' then 'case r.fate when ''held'' then ''kept'' else r.fate end' else 'r.fate' end,
      -- A child would go along, but for what holds the child.
      case k.role when 'child' then format('coalesce(r.reason, %L)', k.name) else quote_literal(k.name) end,
      j.referenced_scan, j.condition
    ), ' union all ')) as step
    from unnest(taken) k
    join nightshift.key_joins(array(select distinct t.key from unnest(taken) t)) j on j.key = k.key
    group by j.referencing_scan, j.referencing_leaves
  ) s;
  if steps is null then
    return;
  end if;
  return query execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     shared as materialized (
       select i.relation, i.tid from inside i group by i.relation, i.tid having count(distinct i.policy) > 1
     ),
     stays(policy, relation, tid, fate, reason, alone) as (
       select s.policy, s.relation, s.tid, s.fate, s.reason, true from unnest($2) s
       union
       select f.policy, f.relation, f.tid, f.fate, f.reason,
         -- A row that may go by two policies stays only when it stays by both.
         (f.relation, f.tid) not in (select s.relation, s.tid from shared s)
       from stays r cross join lateral (%s) f(policy, relation, tid, fate, reason)
       -- A row that refers to itself is not held by that.
       where r.alone and (f.relation, f.tid) <> (r.relation, r.tid)
         and ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
     )
     select s.policy, s.relation, s.tid, s.fate, s.reason from stays s',
    steps
  ) using rows, staying;
end;
$$;

comment on function nightshift.spread_hold is
  'What follows when rows stay: they, and those of rows that they refer to, directly or not, with the foreign key that holds them, or their children.';
