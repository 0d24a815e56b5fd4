create or replace function nightshift.subtract_row_sets(sets nightshift.row_set[], minus nightshift.row_set[])
returns nightshift.row_set[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(d.relation, d.tids)::nightshift.row_set), '{}')
  from (
    select left_over.relation, array_agg(left_over.tid) as tids
    from (
      select s.relation, t.tid
      from unnest(subtract_row_sets.sets) s
      cross join lateral unnest(s.tids) t(tid)
      except
      select m.relation, t.tid
      from unnest(subtract_row_sets.minus) m
      cross join lateral unnest(m.tids) t(tid)
    ) left_over
    group by left_over.relation
  ) d;
$$;

comment on function nightshift.subtract_row_sets is 'The rows of sets that are not in minus.';
