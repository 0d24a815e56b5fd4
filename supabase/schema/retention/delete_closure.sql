create or replace function nightshift.delete_closure(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  inout released nightshift.released_row[],
  out deleted nightshift.row_set[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  moved_by_triggers nightshift.moved_row[];
begin
  if nightshift.delete_rows(run, rows_to_delete, scope) is null then
    deleted := rows_to_delete;
    select f.released, f.moved into released, moved from nightshift.follow_released(run.id, scope, released) f;
  else
    select h.held, h.deleted, h.released, h.moved into held, deleted, released, moved
    from nightshift.delete_by_halves(run, scope, component, rows_to_delete, held) h;
  end if;
  if cardinality(held) > 0 and nightshift.fires_triggers(deleted, scope) then
    moved_by_triggers := nightshift.find_moved_rows(array(
      select row(null, h.relation, true, array_agg(h.tid))::nightshift.row_set from unnest(held) h group by h.relation
    ));
    perform nightshift.follow_moved_rows(run.id, moved_by_triggers);
    moved := moved || moved_by_triggers;
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
  'Deletes what resolve_references says may go, or as much of it as triggers and constraints let go; what they refuse joins held. released: the references that were set to null or default; moved: the rows that have changed with it, of those that the run knows or can meet. All with where the rows are then. Errors: those of delete_rows and delete_by_halves.';
