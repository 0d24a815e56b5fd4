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
set enable_nestloop = off
as $$
declare
  deleted_tids constant tid[] := array(select unnest(d.tids) from unnest(deleted) d);
  changed record;
  may_go tid[];
begin
  steps := nightshift.add_released(steps, turn::text, nightshift.count_released(released));
  -- Those that are gone now need not be counted any more.
  for changed in
    with gone as (
      delete from nightshift.purge_released r
      where r.run_id = run.id and r.relation in (select d.relation from unnest(deleted) d) and r.tid = any(deleted_tids)
        and (r.relation, r.tid) in (select d.relation, t.tid from unnest(deleted) d cross join lateral unnest(d.tids) t(tid))
      returning r.turn, r.referencing, r."references"
    )
    select g.turn, jsonb_object_agg(g.referencing::regclass, -g.n) as counts
    from (select g.turn, g.referencing, sum(g."references") as n from gone g group by g.turn, g.referencing) g
    group by g.turn
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
