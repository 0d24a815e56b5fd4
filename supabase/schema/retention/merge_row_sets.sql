create or replace function nightshift.merge_row_sets(sets nightshift.row_set[])
returns nightshift.row_set[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(m.relation, m.tids)::nightshift.row_set), '{}')
  from (
    select s.relation, array_agg(distinct t.tid) as tids
    from unnest(merge_row_sets.sets) s
    cross join lateral unnest(s.tids) t(tid)
    group by s.relation
  ) m;
$$;

comment on function nightshift.merge_row_sets is 'The union: one element a table, each row once, no empty elements.';
