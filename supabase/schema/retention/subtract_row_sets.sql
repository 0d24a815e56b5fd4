create or replace function nightshift.subtract_row_sets(sets nightshift.row_set[], minus nightshift.row_set[])
returns nightshift.row_set[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(array_agg(row(d.policy, d.relation, d.due, d.tids)::nightshift.row_set), '{}')
    from (
      select s.policy, s.relation, s.due, array_agg(distinct t.tid) as tids
      from unnest(subtract_row_sets.sets) s
      cross join lateral unnest(s.tids) t(tid)
      where (s.relation, t.tid) not in (
        select m.relation, r.tid from unnest(subtract_row_sets.minus) m cross join lateral unnest(m.tids) r(tid)
      )
      group by s.policy, s.relation, s.due
    ) d
  );
end;
$$;

comment on function nightshift.subtract_row_sets is 'Those of sets that are not in minus, whatever the policies say.';
