create or replace function nightshift.find_covered_rows(rows nightshift.row_set[], keys nightshift.purge_key[])
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  steps constant text := nightshift.child_steps(keys, rows);
  covered nightshift.row_set[];
begin
  if steps is null then
    return array(select r from unnest(rows) r where r.due);
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid, s.due from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     covered(policy, relation, tid) as (
       select i.policy, i.relation, i.tid from inside i where i.due
       union
       select f.policy, f.relation, f.tid
       from covered r cross join lateral (%s) f(policy, relation, tid)
       where ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i where i.due is not true)) is true
     )
     select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
     from (
       select c.policy, c.relation, k.due, array_agg(c.tid) as tids
       from covered c
       cross join lateral (
         select (c.policy, c.relation, c.tid) in (select i.policy, i.relation, i.tid from inside i where i.due)
       ) k(due)
       group by c.policy, c.relation, k.due
     ) g',
    steps
  ) into covered using rows;
  return coalesce(covered, '{}');
end;
$$;

comment on function nightshift.find_covered_rows is
  'Those of rows that their policies let go: due ones, and children that lead to a due one through others of them.';
