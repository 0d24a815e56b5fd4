create or replace function nightshift.purge_slices(
  run nightshift.runs,
  policy nightshift.retention_policies,
  inout step jsonb,
  out deleted_rows bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Users do not notice locks that are held for so long.
  batch_ms constant numeric := 200;
  -- What is lost when a row turns out to be in use.
  slice_ms constant numeric := 50;
  started constant timestamptz := clock_timestamp();
  due text;
  cursor jsonb := step -> 'cursor';
  gone constant bigint := (step ->> 'rowsPurged')::bigint;
  leaf regclass;
  -- Without what an index walk has seen already.
  unseen text;
  after tid;
  -- Little enough for any table; four slices later it can be much.
  blocks bigint := 64;
  -- To go into a partition takes longer than to go through as many.
  few_blocks constant integer := 16;
  end_block bigint;
  slice_started timestamptz;
  slice_rows bigint;
  spent_ms numeric := 0;
begin
  if cursor is null then
    due := nightshift.due_condition(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    );
    cursor := coalesce(nightshift.next_leaf(policy, 0, due, run.started_at), 'null');
  end if;
  while cursor ->> 'mode' = 'sweep' and spent_ms < batch_ms loop
    exit when cursor ? 'careful';
    after := coalesce(cursor ->> 'after', '(0,0)')::tid;
    exit when (after::text::point)[0] < (cursor ->> 'inUseBefore')::bigint;
    if leaf is distinct from (cursor ->> 'leaf')::oid::regclass then
      leaf := (cursor ->> 'leaf')::oid::regclass;
      -- Of small partitions next_seeds takes many at once.
      exit when leaf <> policy.relation and pg_relation_size(leaf) < few_blocks * current_setting('block_size')::bigint;
      exit when leaf not in (select l from nightshift.leaf_relations(policy.relation) l);
      perform nightshift.hold_table(leaf, 'for update');
      -- It may have been detached just before.
      exit when not exists (select from nightshift.covering_policy(leaf, array[policy.relation::oid]));
      if not nightshift.may_go_unseen(run, policy, leaf) then
        cursor := cursor || '{"careful": true}';
        exit;
      end if;
      due := nightshift.due_condition(
        'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      unseen := due || case when cursor ? 'floor' then format(' and r.%I > %L', policy.marker_column, cursor ->> 'floor') else '' end;
    end if;

    end_block := least((after::text::point)[0]::bigint + blocks, 4294967295);
    slice_started := clock_timestamp();
    slice_rows := nightshift.delete_slice(leaf, unseen, after, format('(%s,0)', end_block)::tid);
    if slice_rows is null then
      -- Up to there, rows are locked before they are deleted, and those in use are passed over.
      cursor := cursor || jsonb_build_object('inUseBefore', end_block);
      exit;
    end if;
    deleted_rows := coalesce(deleted_rows, 0) + slice_rows;
    perform nightshift.require_within_brake(nightshift.brake(run, policy.relation, nightshift.add_counts(
      nightshift.gone_of(policy.relation, step), jsonb_build_object(policy.relation::text, deleted_rows)
    )));
    spent_ms := 1000 * extract(epoch from clock_timestamp() - started);
    if end_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint then
      cursor := coalesce(nightshift.next_leaf(policy, leaf, due, run.started_at), 'null');
    else
      cursor := cursor || jsonb_build_object('after', format('(%s,0)', end_block));
      blocks := ceil(blocks * least(4, greatest(least(slice_ms, batch_ms - spent_ms), 1)
        / (1000 * extract(epoch from clock_timestamp() - slice_started))));
    end if;
  end loop;
  step := step || jsonb_build_object('cursor', cursor);
  if deleted_rows > 0 then
    step := step || jsonb_build_object('rowsPurged', gone + deleted_rows);
    update nightshift.retention_policies p
    set last_purged_at = clock_timestamp(), last_purged_run = run.id, last_purged_rows = gone + deleted_rows
    where p.relation = policy.relation;
  end if;
end;
$$;

comment on function nightshift.purge_slices is
  'Deletes due rows of a policy slice by slice after step.cursor, for about 200 ms, as long as they need no look at each (see may_go_unseen), and counts them in step. deleted_rows is null when the next rows have to be chosen, locked and looked at: where they are sparse or in a small partition, something refers to them, or one of them is in use.';
