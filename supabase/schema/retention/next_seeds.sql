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
  -- Each is locked until the batch ends, with its indexes, and all sessions have room for a few thousand locks.
  max_leaves constant integer := 100;
  stop_at timestamptz;
  lock_clause constant text := case when locking then 'for update skip locked' else '' end;
  cutoff constant timestamptz := least(run.started_at, now()) - policy.drop_after;
  left_alone oid[];
  outside text;
  cursor jsonb := coalesce(step -> 'cursor', '{"leaf": 0, "leafDone": true}');
  leaf regclass;
  due text;
  mode text;
  chosen tid[];
  passed_over bigint;
  known nightshift.held_row[];
  looked_at integer := 0;
  reads_on boolean;
  is_full boolean := cursor = 'null';
begin
  seeds := '{}';
  for leaf in
    select l
    from nightshift.all_leaf_relations(policy.relation) l
    -- A leaf that is not there any more was dropped or detached since the last batch: its rows are no longer ours.
    where (l::oid > (cursor ->> 'leaf')::oid or l::oid = (cursor ->> 'leaf')::oid and (cursor ->> 'leafDone')::boolean is not true)
      and l::oid in (select nightshift.partitions_before(policy.relation, policy.marker_column, cutoff))
    order by l::oid
  loop
    stop_at := coalesce(stop_at, clock_timestamp() + interval '150 milliseconds');
    reads_on := false;
    is_full := looked_at = max_leaves or nightshift.count_rows(seeds) >= batch_rows or looked_at > 0 and clock_timestamp() > stop_at;
    exit when is_full;
    if left_alone is null and nightshift.may_be_left_alone(leaf, run.started_at) then
      select a.partitions, a.otherwise into left_alone, outside from nightshift.left_alone('r', policy.relation, run.started_at) a;
    end if;
    if leaf::oid = any(left_alone) then
      cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
      continue;
    end if;
    looked_at := looked_at + 1;
    due := nightshift.due_by_marker(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    ) || coalesce(outside, '');
    begin
      if leaf::oid <> (cursor ->> 'leaf')::oid then
        mode := nightshift.way_into_leaf(leaf, policy.marker_column, due);
        cursor := jsonb_build_object('leaf', leaf::oid::bigint) || case
          when mode is null then '{"leafDone": true}' else jsonb_build_object('mode', mode) end;
        continue when mode is null;
      end if;
      perform nightshift.hold_table(leaf, lock_clause);
    exception
      -- Dropped just now; what is gone has a number for a name.
      when sqlstate 'NS404' or undefined_table or syntax_error then
        cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
        continue;
    end;
    -- Or detached.
    if not exists (select from nightshift.covering_policy(leaf, array[policy.relation::oid])) then
      cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
      continue;
    end if;
    due := nightshift.due_by_marker(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    ) || coalesce(outside, '');
    loop
      select c.cursor, c.chosen, c.passed_over into cursor, chosen, passed_over
      from nightshift.choose_due_rows(
        leaf, due, policy.marker_column, lock_clause,
        -- A handful at the end of a batch would be the way into a leaf for little.
        greatest(batch_rows - nightshift.count_rows(seeds), case when reads_on then 1 else least(batch_rows, 500) end)::integer, cursor
      ) c;
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
      seeds := seeds || nightshift.subtract_held(
        case when coalesce(cardinality(chosen), 0) = 0 then '{}' else array[row(policy.relation, leaf, true, chosen)::nightshift.row_set] end, known
      );
      if (cursor ->> 'leafDone')::boolean then
        cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
        exit;
      end if;
      -- A sweep comes past many rows that are not due, and what a batch takes whatever its size should be for more than a few.
      is_full := 4 * nightshift.count_rows(seeds) >= 3 * batch_rows or clock_timestamp() > stop_at;
      exit when is_full;
      reads_on := true;
    end loop;
    exit when is_full;
  end loop;
  step := step || jsonb_build_object('cursor', case when is_full then cursor else 'null' end);
end;
$$;

comment on function nightshift.next_seeds is
  'The next due rows of a policy after step.cursor, at most about batch_rows of at most 100 leaves, locked where locking says so, without those that the run has decided; these are counted in step. cursor: the leaf, leafDone where it was the last that is done with, and see choose_due_rows; null when nothing is left.';
