create or replace function nightshift.delete_closure(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  inout released nightshift.released_row[],
  out deleted nightshift.row_set[],
  out moved nightshift.moved_row[],
  out is_stopped boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Of more, those that a trigger changes are left to the next run, or counted again.
  max_left constant integer := 10000;
  moved_by_triggers nightshift.moved_row[];
begin
  if nightshift.delete_rows(run, rows_to_delete, scope) is null then
    deleted := rows_to_delete;
    is_stopped := false;
    select f.released, f.moved into released, moved from nightshift.follow_released(run.id, scope, released) f;
  else
    select h.held, h.deleted, h.released, h.moved, h.is_stopped into held, deleted, released, moved, is_stopped
    from nightshift.delete_by_halves(run, scope, component, rows_to_delete, held) h;
  end if;
  if nightshift.fires_triggers(deleted, scope) then
    moved_by_triggers := nightshift.find_moved_rows(array(
      select row(null, k.relation, true, array_agg(distinct k.tid))::nightshift.row_set
      from (
        select h.relation, h.tid from unnest(held) h
        union all
        select r.relation, t.tid
        from unnest(case when is_stopped then nightshift.subtract_row_sets(rows_to_delete, deleted) end) r
        cross join lateral unnest(r.tids) t(tid)
        where r.due
        union all
        -- What earlier batches left. A table may have been cut off since, but is not while this batch holds it.
        select l.relation, l.tid
        from (
          (select p.relation, p.tid from nightshift.purge_pending p where p.run_id = run.id limit max_left)
          union all
          (select d.relation, d.tid from nightshift.purge_decisions d where d.run_id = run.id and d.fate = 'refused' limit max_left)
        ) l
        join (
          select r.relation, pg_relation_size(r.relation) / current_setting('block_size')::integer as blocks
          from unnest(rows_to_delete) r group by r.relation
        ) t on t.relation = l.relation and (l.tid::text::point)[0] < t.blocks
      ) k
      group by k.relation
    ));
    if cardinality(moved_by_triggers) > 0 then
      perform nightshift.follow_moved_rows(run.id, moved_by_triggers);
      moved := moved || moved_by_triggers;
    end if;
  end if;
  if cardinality(moved) > 0 then
    held := array(
      select row(h.policy, h.relation, (f.tids)[1], h.fate, h.reason)::nightshift.held_row
      from unnest(held) h
      cross join lateral unnest(nightshift.follow_rows(array[row(null, h.relation, true, array[h.tid])::nightshift.row_set])) f
    );
  end if;
end;
$$;

comment on function nightshift.delete_closure is
  'Deletes what resolve_references says may go, or as much of it as triggers and constraints let go; what they refuse joins held. released: the references that were set to null or default; moved: the rows that have changed with it, of those that the run knows or can meet. All with where the rows are then. is_stopped: some of them were not decided, see delete_by_halves. Errors: those of delete_rows.';
