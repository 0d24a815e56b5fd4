create or replace function nightshift.put_off(
  run nightshift.runs,
  turn regclass,
  level integer,
  seeds nightshift.row_set[],
  ahead nightshift.row_set[]
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- The seeds wait for what refers to them; when nothing else is due there, all but a quarter of them wait for the rest.
  insert into nightshift.purge_pending as p (run_id, turn, relation, tid, policy, level, walked)
  select distinct on (r.relation, r.tid) run.id, turn::oid, r.relation, r.tid, r.policy, r.level, r.walked
  from (
    select s.relation, t.tid, s.policy, true as walked,
      coalesce(put_off.level, 1) + case
        when cardinality(ahead) = 0 and 4 * (row_number() over () - 1) < nightshift.count_rows(seeds) then 1 else 0 end as level
    from unnest(seeds) s cross join lateral unnest(s.tids) t(tid)
    union all
    select a.relation, t.tid, a.policy, false, coalesce(put_off.level, 1) + 1
    from unnest(ahead) a cross join lateral unnest(a.tids) t(tid)
  ) r
  on conflict (run_id, turn, relation, tid) do update set level = excluded.level;
$$;

comment on function nightshift.put_off is
  'Remembers rows that are too many to decide at once: those ahead are taken up first, or a quarter of the seeds when nothing is ahead.';
