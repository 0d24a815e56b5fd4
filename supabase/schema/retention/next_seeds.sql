create or replace function nightshift.next_seeds(
  run nightshift.runs,
  policy nightshift.retention_policies,
  inout step jsonb,
  batch_rows integer,
  locking boolean,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '100 milliseconds';
  lock_clause constant text := case when locking then 'for update skip locked' else '' end;
  due text := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
  );
  cursor jsonb := coalesce(step -> 'cursor', nightshift.next_leaf(policy.relation, 0, policy.marker_column, due), 'null');
  leaf regclass;
  chosen tid[];
  passed_over bigint;
  known nightshift.held_row[];
begin
  seeds := '{}';
  -- Leaves without due rows are passed over in one go.
  while cursor <> 'null' and cardinality(seeds) = 0 and clock_timestamp() < stop_at loop
    leaf := (cursor ->> 'leaf')::oid::regclass;
    if leaf in (select l from nightshift.leaf_relations(policy.relation) l) then
      perform nightshift.hold_table(leaf, lock_clause);
      due := nightshift.due_condition(
        'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      select c.cursor, c.chosen, c.passed_over into cursor, chosen, passed_over
      from nightshift.choose_due_rows(leaf, due, policy.marker_column, lock_clause, batch_rows, cursor) c;
      step := step || jsonb_build_object('rowsPassedOver', (step ->> 'rowsPassedOver')::bigint + coalesce(passed_over, 0));
      -- Counted before they moved here.
      if exists (select from nightshift.purge_counted c where c.run_id = run.id) then
        chosen := array(
          select t from unnest(chosen) t
          where t not in (
            select c.tid from nightshift.purge_counted c
            where c.run_id = run.id and c.relation = leaf::oid and c.tid = any(chosen)
          )
        );
      end if;
      -- Decided before, with rows that refer to them: counted here, and not walked a second time.
      known := nightshift.known_decisions(run.id, policy.relation, leaf, chosen);
      step := nightshift.count_held(step, known);
      seeds := nightshift.subtract_held(
        case when coalesce(cardinality(chosen), 0) = 0 then '{}' else array[row(policy.relation, leaf, true, chosen)::nightshift.row_set] end, known
      );
    else
      -- Dropped or detached since the last batch: its rows are no longer ours.
      cursor := cursor || '{"leafDone": true}';
    end if;
    if (cursor ->> 'leafDone')::boolean then
      cursor := coalesce(nightshift.next_leaf(policy.relation, leaf, policy.marker_column, due), 'null');
    end if;
  end loop;
  step := step || jsonb_build_object('cursor', cursor);
end;
$$;

comment on function nightshift.next_seeds is
  'The next due rows of a policy after step.cursor, at most about batch_rows, locked where locking says so, without those that the run has decided; these are counted in step.';
