create or replace function nightshift.fates_of(
  staying nightshift.row_set[],
  held nightshift.held_row[],
  keys nightshift.purge_key[]
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_mergejoin = off
set enable_hashjoin = on
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
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
begin
  if cardinality(left_behind) = 0 then
    return known;
  end if;
  return known || array(
    with recursive inside as materialized (
      select s.policy, s.relation, t.tid from unnest(left_behind) s cross join lateral unnest(s.tids) t(tid)
    ),
    parents as materialized (
      select distinct h.policy, h.relation, h.tid, h.fate from unnest(held) h
    ),
    links as materialized (
      select f.*
      from nightshift.find_references(
        left_behind || array(
          select row(p.policy, p.relation, null, array_agg(p.tid))::nightshift.row_set from parents p group by p.policy, p.relation
        ),
        left_behind,
        array(select k from unnest(keys) k where k.role = 'child')
      ) f
      where (f.policy, f.referencing_relation, f.referencing_tid) in (select i.policy, i.relation, i.tid from inside i)
    ),
    stays(policy, relation, tid, fate) as (
      select p.policy, p.relation, p.tid, p.fate from parents p
      union
      select l.policy, l.referencing_relation, l.referencing_tid, r.fate
      from stays r
      join links l on l.policy = r.policy and l.relation = r.relation and l.tid = r.tid
    )
    select row(c.policy, c.relation, c.tid, c.fate, null)::nightshift.held_row
    from (
      select s.* from stays s where (s.policy, s.relation, s.tid) in (select i.policy, i.relation, i.tid from inside i)
      union all
      -- What it would go with may be locked by someone, and then it just stays.
      select i.*, 'held' from inside i where (i.policy, i.relation, i.tid) not in (select s.policy, s.relation, s.tid from stays s)
    ) c
  );
end;
$$;

comment on function nightshift.fates_of is
  'Rows that stay as rows of held: those that are held already, and children without a reason of their own, which have the fate of what they would go with.';
