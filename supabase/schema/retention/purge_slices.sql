create or replace function nightshift.purge_slices(
  run nightshift.runs,
  policy nightshift.retention_policies,
  keys nightshift.purge_key[],
  batch_rows integer,
  batch_ms integer,
  inout step jsonb,
  out deleted_rows bigint,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What is lost when a row turns out to be in use.
  slice_ms constant numeric := least(50, batch_ms);
  started constant timestamptz := clock_timestamp();
  due text;
  cursor jsonb := step -> 'cursor';
  leaf regclass;
  condition text;
  unreferenced text;
  -- Each is locked with its indexes, and all sessions have room for a few thousand locks.
  max_tables constant integer := 100;
  child_tables constant oid[] := array(
    select distinct r from unnest(keys) k cross join lateral nightshift.related_tables(k.referencing) r where k.role = 'child'
  );
  with_children record;
  -- Blocks in a sweep, rows by the index: little enough for most tables; four slices later it can be much.
  first_size bigint;
  size bigint;
  reckoned bigint;
  -- How many rows there is time for in what is left of the batch. Without the look for an end they go twice as fast, or faster.
  affordable numeric;
  -- Blocks, or rows by the index, a millisecond.
  pace numeric;
  rest text;
  -- A batch of fewer rows may be one that took too long before, since the rest was more, or slower, than was reckoned.
  rest_rows constant integer := 1000;
  -- To go into a partition takes longer than to go through as many.
  few_blocks constant integer := 16;
  bounds record;
  slice_started timestamptz;
  slice record;
  left_rows record;
  spent_ms numeric := 0;
begin
  seeds := '{}';
  if cursor is null then
    due := nightshift.due_condition(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    );
    cursor := coalesce(nightshift.next_leaf(policy, 0, due, run.started_at), 'null');
  end if;
  while cursor ? 'mode' and not cursor ? 'careful' and spent_ms < batch_ms and nightshift.count_rows(seeds) < batch_rows loop
    if leaf is distinct from (cursor ->> 'leaf')::oid::regclass then
      leaf := (cursor ->> 'leaf')::oid::regclass;
      -- Of small partitions next_seeds takes many at once.
      exit when leaf <> policy.relation and pg_relation_size(leaf) < few_blocks * current_setting('block_size')::bigint;
      exit when leaf not in (select l from nightshift.leaf_relations(policy.relation) l);
      perform nightshift.hold_table(leaf, 'for update');
      -- It may have been detached just before.
      exit when not exists (select from nightshift.covering_policy(leaf, array[policy.relation::oid]));
      select c.* into with_children from nightshift.children_of_slice(policy.relation, keys) c;
      if cardinality(child_tables) > max_tables or not with_children.is_tree or not nightshift.may_go_unseen(run, leaf, keys)
        -- Until the partition and the tables of children were held, somebody may have added a key to one of them.
        or (leaf <> policy.relation or cardinality(child_tables) > 0)
          and keys <> array(select k from nightshift.purge_keys(array[policy.relation::oid]) k)
      then
        cursor := cursor || '{"careful": true}';
        exit;
      end if;
      due := nightshift.due_condition(
        'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      -- Dropped meanwhile, it would be missed by each slice.
      exit when cursor ->> 'mode' = 'index' and nightshift.marker_walk(leaf, policy.marker_column, due) is distinct from 'index';
      condition := nightshift.due_condition(
        't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      if cursor ? 'floor' then
        -- What an index walk has seen already is not looked at twice.
        condition := condition || format(' and t.%I > %L', policy.marker_column, cursor ->> 'floor');
      end if;
      unreferenced := nightshift.unreferenced_condition(leaf, keys);
      -- How many children rows have, nobody knows yet.
      first_size := case when cursor ->> 'mode' = 'sweep' then 64 when with_children.deletes is null then 2000 else 200 end;
      -- Where rows take long, as with many children, the next batch need not find out again.
      size := least(size, first_size, (cursor ->> 'size')::bigint);
      affordable := 2 * (cursor ->> 'pace')::numeric * batch_ms;
    end if;

    slice_started := clock_timestamp();
    rest := case
      -- Before the first slice nobody knows what is affordable.
      when cursor ->> 'mode' = 'index' and policy.flag_column is null and cardinality(keys) = 0 and affordable > 0
        and batch_rows >= rest_rows and nightshift.rest_of_walk(run, policy, leaf, cursor, step) <= affordable
      then condition
    end;
    select n.* into bounds from nightshift.next_slice(
      leaf, policy.marker_column, policy.flag_column, due, cursor, size, rest
    ) n;
    exit when bounds.slice is null;
    select d.* into slice from nightshift.delete_slice(
      leaf,
      -- The slice of the rest says it already: it would be asked of each row twice.
      case when rest is not null then 'true' else concat_ws(' and ', condition, case when cursor ? 'referred' then unreferenced end) end,
      bounds.slice,
      with_children.referred, with_children.deletes, with_children.cascading
    ) d;
    if slice.is_referred and not cursor ? 'referred' then
      -- From here on, each row is asked before it goes.
      cursor := cursor || '{"referred": true}';
      size := least(first_size, size);
      spent_ms := 1000 * extract(epoch from clock_timestamp() - started);
      continue;
    elsif slice.deleted_rows is null then
      -- Up to there, rows are locked before they are deleted, and those in use are passed over.
      cursor := cursor || jsonb_build_object('inUseUntil', bounds.ends);
      exit;
    end if;
    deleted_rows := coalesce(deleted_rows, 0) + slice.deleted_rows;
    if cursor ? 'referred' then
      -- What is still there has to be looked at after all: it counts for the keys that hold it.
      select l.* into left_rows from nightshift.lock_slice(leaf, condition, bounds.slice) l;
      step := step || jsonb_build_object('rowsPassedOver', (step ->> 'rowsPassedOver')::bigint + left_rows.passed_over);
      if seeds[cardinality(seeds)].relation = leaf::oid then
        seeds[cardinality(seeds)].tids := seeds[cardinality(seeds)].tids || left_rows.chosen;
      elsif cardinality(left_rows.chosen) > 0 then
        seeds := seeds || row(policy.relation, leaf, true, left_rows.chosen)::nightshift.row_set;
      end if;
    end if;
    step := step || jsonb_build_object(
      'rowsPurged', (step ->> 'rowsPurged')::bigint + slice.deleted_rows,
      'children', nightshift.add_counts(step -> 'children', slice.children)
    );
    perform nightshift.require_within_brake(nightshift.brake(run, policy.relation, nightshift.gone_of(policy.relation, step)));
    spent_ms := 1000 * extract(epoch from clock_timestamp() - started);
    if coalesce(bounds.is_last, (bounds.ends::point)[0] >= pg_relation_size(leaf) / current_setting('block_size')::bigint) then
      cursor := coalesce(
        nightshift.next_leaf(policy, leaf, due, run.started_at)
          || case when cursor ? 'referred' then '{"referred": true}'::jsonb else '{}' end,
        'null'
      );
    else
      pace := size / nullif(1000 * extract(epoch from clock_timestamp() - slice_started), 0);
      affordable := 2 * pace * greatest(batch_ms - spent_ms, 0);
      -- At least one, also where the clock was set back meanwhile.
      reckoned := greatest(1, ceil(least(4 * size, slice_ms * pace)));
      cursor := cursor || jsonb_build_object('after', bounds.ends, 'size', least(reckoned, first_size), 'pace', round(pace, 3));
      size := ceil(reckoned * least(1, greatest(batch_ms - spent_ms, 1) / slice_ms));
    end if;
  end loop;
  step := step || jsonb_build_object('cursor', cursor);
  if deleted_rows > 0 then
    update nightshift.retention_policies p
    set last_purged_at = clock_timestamp(), last_purged_run = run.id, last_purged_rows = (step ->> 'rowsPurged')::bigint
    where p.relation = policy.relation;
  end if;
end;
$$;

comment on function nightshift.purge_slices is
  'Deletes due rows of a policy slice by slice after step.cursor, for about batch_ms, as long as they need no look at each (see may_go_unseen), and counts them in step. keys: those of the policy, held (hold_keys). seeds: rows between them that others refer to, locked, which have to be looked at after all; about batch_rows of them end the batch. deleted_rows is null when the next rows have to be chosen, locked and looked at: where they are sparse or in a small partition, may not go unseen, or one of them is in use.';
