create or replace function nightshift.find_covered_rows(rows nightshift.row_set[], keys nightshift.purge_key[])
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_mergejoin = off
set enable_hashjoin = on
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
declare
  due_rows constant nightshift.row_set[] := array(select r from unnest(rows) r where r.due);
  others constant nightshift.row_set[] := array(select r from unnest(rows) r where r.due is not true);
begin
  if cardinality(others) = 0 then
    return due_rows;
  end if;
  return (
    with recursive due as materialized (
      select d.policy, d.relation, t.tid from unnest(due_rows) d cross join lateral unnest(d.tids) t(tid)
    ),
    links as materialized (
      select f.*
      from nightshift.find_references(rows, others, array(select k from unnest(keys) k where k.role = 'child')) f
      where (f.policy, f.referencing_relation, f.referencing_tid) in (
        select o.policy, o.relation, t.tid from unnest(others) o cross join lateral unnest(o.tids) t(tid)
      )
    ),
    covered(policy, relation, tid) as (
      select d.policy, d.relation, d.tid from due d
      union
      select l.policy, l.referencing_relation, l.referencing_tid
      from covered r
      join links l on l.policy = r.policy and l.relation = r.relation and l.tid = r.tid
    )
    select due_rows || coalesce(array_agg(row(g.policy, g.relation, false, g.tids)::nightshift.row_set), '{}')
    from (
      select c.policy, c.relation, array_agg(c.tid) as tids
      from covered c
      -- What is due may be a child as well.
      where (c.policy, c.relation, c.tid) not in (select d.policy, d.relation, d.tid from due d)
      group by c.policy, c.relation
    ) g
  );
end;
$$;

comment on function nightshift.find_covered_rows is
  'Those of rows that their policies let go: due ones, and children that lead to a due one through others of them.';
