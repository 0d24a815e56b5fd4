create or replace function nightshift.subtract_held(sets nightshift.row_set[], held nightshift.held_row[])
returns nightshift.row_set[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
-- The number of rows known beforehand, Postgres would compare each with each where a hash table of them might not fit work_mem.
set plan_cache_mode = force_generic_plan
as $$
begin
  if cardinality(held) = 0 then
    return sets;
  end if;
  return (
    select coalesce(array_agg(row(d.policy, d.relation, d.due, d.tids)::nightshift.row_set), '{}')
    from (
      select s.policy, s.relation, s.due, array_agg(t.tid order by t.position) as tids
      from unnest(subtract_held.sets) s
      cross join lateral unnest(s.tids) with ordinality t(tid, position)
      where (s.policy, s.relation, t.tid) not in (select h.policy, h.relation, h.tid from unnest(subtract_held.held) h)
      group by s.policy, s.relation, s.due
    ) d
  );
end;
$$;

comment on function nightshift.subtract_held is 'Those of sets that are not held, each under its policy, in the same order.';
