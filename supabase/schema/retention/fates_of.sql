create or replace function nightshift.fates_of(
  staying nightshift.row_set[],
  held nightshift.held_row[],
  keys nightshift.purge_key[]
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  known constant nightshift.held_row[] := array(
    select h
    from unnest(held) h
    where ((h.policy, h.relation, h.tid) in (
      select s.policy, s.relation, t.tid from unnest(staying) s cross join lateral unnest(s.tids) t(tid)
    )) is true
  );
  left_behind constant nightshift.row_set[] := nightshift.subtract_held(staying, known);
  steps constant text := nightshift.child_steps(keys, staying, ', r.fate');
  inherited nightshift.held_row[];
begin
  if cardinality(left_behind) = 0 or steps is null then
    return known;
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     stays(policy, relation, tid, fate) as (
       select h.policy, h.relation, h.tid, h.fate from unnest($2) h
       union
       select f.policy, f.relation, f.tid, f.fate
       from stays r cross join lateral (%s) f(policy, relation, tid, fate)
       where ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
     )
     select array_agg(row(c.policy, c.relation, c.tid, c.fate, null)::nightshift.held_row)
     from (
       select s.* from stays s where ((s.policy, s.relation, s.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
       union all
       -- What it would go with may be locked by someone, and then it just stays.
       select i.*, ''held'' from inside i where (i.policy, i.relation, i.tid) not in (select s.policy, s.relation, s.tid from stays s)
     ) c',
    steps
  ) into inherited using left_behind, array(
    select h from unnest(held) h
    where exists (select from unnest(keys) k where k.role = 'child' and k.policy = h.policy and h.relation = any(k.related))
  );
  return known || inherited;
end;
$$;

comment on function nightshift.fates_of is
  'Rows that stay as rows of held: those that are held already, and children without a reason of their own, which have the fate of what they would go with.';
