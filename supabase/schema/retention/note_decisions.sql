create or replace function nightshift.note_decisions(
  run nightshift.runs,
  turn regclass,
  level integer,
  seeds nightshift.row_set[],
  waiting nightshift.row_set[],
  deleted nightshift.row_set[],
  held nightshift.held_row[],
  in_circle boolean,
  fate_of_deleted text
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
-- As in subtract_held.
set plan_cache_mode = force_generic_plan
as $$
declare
  counted nightshift.held_row[];
begin
  -- Of two reasons for which a row may go, one was enough.
  held := array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from (
      select distinct on (h.relation, h.tid, h.reason) h.*, min(h.fate) over (partition by h.relation, h.tid) as first_fate
      from unnest(held) h
      order by h.relation, h.tid, h.reason, h.fate
    ) h
    where h.fate = h.first_fate
      and (h.relation, h.tid) not in (select d.relation, t.tid from unnest(deleted) d cross join lateral unnest(d.tids) t(tid))
  );
  counted := array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from unnest(held) h
    where level is null
        and (h.relation, h.tid) in (select s.relation, t.tid from unnest(seeds) s cross join lateral unnest(s.tids) t(tid))
      or exists (
        select from nightshift.purge_pending p
        where p.run_id = run.id and p.turn = note_decisions.turn::oid and p.relation = h.relation and p.tid = h.tid and p.walked)
  );
  if in_circle or exists (select from unnest(held) h where h.fate = 'undecided') then
    perform nightshift.remember_held(run.id, held);
  elsif exists (select from unnest(held) h where h.fate = 'kept') then
    -- So that what they refer to is kept as well, and not blocked.
    perform nightshift.remember_held(run.id, array(
      select h
      from unnest(held) h
      where h.fate = 'kept' and h.relation in (
        select r.relation
        from (select distinct h.relation from unnest(held) h) r
        where nightshift.refers_to_policy(r.relation)
      )
    ));
  end if;
  if fate_of_deleted is not null then
    insert into nightshift.purge_decisions (run_id, relation, tid, fate)
    select run.id, d.relation, t.tid, fate_of_deleted
    from nightshift.sets_to_remember(run, deleted) d cross join lateral unnest(d.tids) t(tid)
    order by d.relation, t.tid
    on conflict do nothing;
  end if;
  delete from nightshift.purge_pending p
  where p.run_id = run.id and p.turn = note_decisions.turn::oid
    and (
      p.level = note_decisions.level
        and (p.relation, p.tid) not in (select w.relation, t.tid from unnest(waiting) w cross join lateral unnest(w.tids) t(tid))
      or (p.relation, p.tid) in (select h.relation, h.tid from unnest(held) h)
    );
  return counted;
end;
$$;

comment on function nightshift.note_decisions is
  'Remembers what a batch decided, as far as the run can meet the rows again: those that stay where references may run in a circle, those that are kept and refer to rows that may be due, and what a dry run counts as gone. waiting: those of seeds that are not decided. Returns the rows of held that the cursor has passed, which are to be counted now.';
