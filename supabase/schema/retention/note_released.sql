create or replace function nightshift.note_released(
  run nightshift.runs,
  scope oid[],
  turn regclass,
  deleted nightshift.row_set[],
  released nightshift.released_row[],
  inout steps jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
-- As in follow_moved_rows.
set enable_seqscan = off
set enable_hashjoin = on
set enable_nestloop = off
as $$
declare
  gone constant nightshift.row_set[] := array(
    select d from unnest(deleted) d
    where exists (select from nightshift.purge_released r where r.run_id = run.id and r.relation = d.relation)
  );
  gone_tids constant tid[] := array(select unnest(g.tids) from unnest(gone) g);
  changed record;
  may_go tid[];
begin
  -- So it is in nearly every run.
  if cardinality(released) = 0 and not exists (select from nightshift.purge_released r where r.run_id = run.id) then
    return;
  end if;
  steps := nightshift.add_released(steps, turn::text, nightshift.count_released(released));
  -- Those that are gone now need not be counted any more.
  for changed in
    with forgotten as (
      delete from nightshift.purge_released r
      where r.run_id = run.id and r.relation in (select g.relation from unnest(gone) g) and r.tid = any(gone_tids)
        and (r.relation, r.tid) in (select g.relation, t.tid from unnest(gone) g cross join lateral unnest(g.tids) t(tid))
      returning r.turn, r.referencing, r."references"
    )
    select f.turn, jsonb_object_agg(f.referencing::regclass, -f.n) as counts
    from (select f.turn, f.referencing, sum(f."references") as n from forgotten f group by f.turn, f.referencing) f
    group by f.turn
  loop
    steps := nightshift.add_released(steps, changed.turn::regclass::text, changed.counts);
  end loop;

  for changed in
    select r.relation, array_agg(distinct r.tid) as tids,
      exists (
        select from nightshift.policy_members(scope) m
        where m.is_child and r.relation in (select nightshift.related_tables(m.member))
      ) as is_child
    from unnest(released) r
    group by r.relation
  loop
    may_go := case when changed.is_child then changed.tids
      else nightshift.find_due_among(run, scope, changed.relation, changed.tids) end;
    insert into nightshift.purge_released as p (run_id, relation, tid, turn, referencing, "references")
    select run.id, r.relation, r.tid, note_released.turn, c.conrelid, count(*)
    from unnest(released) r
    join pg_catalog.pg_constraint c on c.oid = r.key
    where r.relation = changed.relation and r.tid in (select t from unnest(may_go) t)
    group by r.relation, r.tid, c.conrelid
    on conflict on constraint purge_released_pkey do update set "references" = p."references" + excluded."references";
  end loop;
end;
$$;

comment on function nightshift.note_released is
  'Counts references that a batch has released in the step of the table whose turn it is. Of rows that went before their time came, they are not counted: those that may yet go are remembered.';
