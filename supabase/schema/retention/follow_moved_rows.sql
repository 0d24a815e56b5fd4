create or replace function nightshift.follow_moved_rows(run_id uuid, moved nightshift.moved_row[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
-- By address from the index, and from there by hash, whatever the statistics say of tables that were empty a moment ago.
set enable_seqscan = off
set enable_hashjoin = on
set enable_nestloop = off
as $$
declare
  relations constant oid[] := array(select distinct m.relation from unnest(moved) m);
  old_tids constant tid[] := array(select m.old_tid from unnest(moved) m);
begin
  with left_behind as (
    delete from nightshift.purge_decisions d
    using unnest(moved) m
    where d.run_id = follow_moved_rows.run_id and d.relation = any(relations) and d.tid = any(old_tids)
      and d.relation = m.relation and d.tid = m.old_tid
    returning d.run_id, d.relation, m.new_tid, d.fate, d.reason
  )
  insert into nightshift.purge_decisions (run_id, relation, tid, fate, reason)
  select l.* from left_behind l
  on conflict do nothing;

  with left_behind as (
    delete from nightshift.purge_pending p
    using unnest(moved) m
    where p.run_id = follow_moved_rows.run_id and p.relation = any(relations) and p.tid = any(old_tids)
      and p.relation = m.relation and p.tid = m.old_tid
    returning p.run_id, p.turn, p.relation, m.new_tid, p.policy, p.level, p.walked
  )
  insert into nightshift.purge_pending (run_id, turn, relation, tid, policy, level, walked)
  select l.* from left_behind l
  -- One that waits there is of a row that is gone.
  on conflict on constraint purge_pending_pkey do update
  set policy = excluded.policy, level = excluded.level, walked = excluded.walked;

  with left_behind as (
    delete from nightshift.purge_released r
    using unnest(moved) m
    where r.run_id = follow_moved_rows.run_id and r.relation = any(relations) and r.tid = any(old_tids)
      and r.relation = m.relation and r.tid = m.old_tid
    returning r.run_id, r.relation, m.new_tid, r.turn, r.referencing, r."references"
  )
  insert into nightshift.purge_released (run_id, relation, tid, turn, referencing, "references")
  select l.* from left_behind l
  on conflict on constraint purge_released_pkey do update set "references" = excluded."references";

  with left_behind as (
    delete from nightshift.purge_counted c
    using unnest(moved) m
    where c.run_id = follow_moved_rows.run_id and c.relation = any(relations) and c.tid = any(old_tids)
      and c.relation = m.relation and c.tid = m.old_tid
    returning c.run_id, c.relation, m.new_tid
  )
  insert into nightshift.purge_counted (run_id, relation, tid)
  select l.* from left_behind l
  on conflict do nothing;
end;
$$;

comment on function nightshift.follow_moved_rows is 'Keeps what a run knows of rows with them where they are now.';
