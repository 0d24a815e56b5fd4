create or replace function nightshift.recount_moved_rows(
  run nightshift.runs,
  policy nightshift.retention_policies,
  step jsonb,
  moved nightshift.moved_row[]
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  leaf constant oid := step #>> '{cursor,leaf}';
  last_passed tid;
  crossing tid[];
  passed tid[];
  passed_anew tid[];
begin
  -- The marker of a row stays where it is, in an index as well.
  if step #>> '{cursor,mode}' is distinct from 'sweep' then
    return step;
  end if;
  last_passed := coalesce(step #>> '{cursor,after}', '(0,0)');
  crossing := nightshift.find_due_among(run, array[policy.relation::oid], leaf, array(
    select m.new_tid from unnest(moved) m
    where m.relation = leaf and (m.old_tid <= last_passed) <> (m.new_tid <= last_passed)
  ), coalesce(step #>> '{cursor,floor}', '-infinity'));
  if cardinality(crossing) = 0 then
    return step;
  end if;

  -- What waits is counted when it is decided, or else when the cursor comes to it.
  with waiting as (
    update nightshift.purge_pending p set walked = p.tid <= last_passed
    where p.run_id = run.id and p.turn = policy.relation::oid and p.relation = leaf and p.tid = any(crossing)
    returning p.tid
  )
  select array(select unnest(crossing) except select w.tid from waiting w) into crossing;
  passed := array(select t from unnest(crossing) t where t <= last_passed);
  insert into nightshift.purge_counted (run_id, relation, tid)
  select run.id, leaf, t from unnest(crossing) t where t > last_passed
  on conflict do nothing;
  with counted as (
    delete from nightshift.purge_counted c
    where c.run_id = run.id and c.relation = leaf and c.tid = any(passed)
    returning c.tid
  )
  select array(select unnest(passed) except select c.tid from counted c) into passed;

  step := nightshift.count_held(step, nightshift.known_decisions(run.id, policy.relation, leaf, passed));
  insert into nightshift.purge_pending (run_id, turn, relation, tid, policy, level, walked)
  select run.id, policy.relation, leaf, t, policy.relation, 0, true
  from unnest(passed) t
  where not exists (
    select from nightshift.purge_decisions d where d.run_id = run.id and d.relation = leaf and d.tid = t
  );
  return step;
end;
$$;

comment on function nightshift.recount_moved_rows is
  'Sees to it that due rows which moved past the cursor of a sweep are looked at, and counted, once: it passes over those that it has passed before, and those that it will not meet wait, at level 0, or are counted now when they are decided.';
