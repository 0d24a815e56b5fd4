-- One batch of the purge: choose, lock, check again, delete, account for it. One call, one transaction.
-- Why: a row may be restored, or gain a row that refers to it, at any moment up to the lock; a function may die at any
--      moment after it. Choosing happens under the lock, and the ledger moves in the same transaction as the rows.
-- Locks: at run time what hold_keys says, waited for at most 0.5 s and before any row, and row locks on due rows, waited for
--        at most 20 ms. All less than deadlock_timeout, so that a migration that takes tables in another order is not the one
--        to fail: the purge gives way.

create or replace function nightshift.purge_batch(
  run_id uuid,
  fence bigint,
  relation text,
  batch_rows integer,
  assess boolean default false,
  closure_rows integer default null,
  batch_ms integer default 200
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
set statement_timeout = '5s'
set lock_timeout = '500ms'
set jit = off
as $$
declare
  started constant timestamptz := clock_timestamp();
  max_rows constant integer := coalesce(closure_rows, greatest(32 * batch_rows, 8000));
  -- Smaller batches are small for a reason.
  fewest_rows constant integer := 500;
  section constant text := case when assess then 'assessments' else 'steps' end;
  run nightshift.runs;
  scope oid[];
  component oid[];
  policies oid[];
  keys nightshift.purge_key[];
  known_keys nightshift.purge_key[];
  policy nightshift.retention_policies;
  dry boolean;
  step jsonb;
  level integer;
  seeds nightshift.row_set[];
  by_slices boolean := false;
  resolved record;
  held nightshift.held_row[];
  waiting nightshift.row_set[];
  ahead nightshift.row_set[];
  result record;
  deleted nightshift.row_set[] := '{}';
  finished boolean;
  refusal text;
  context text;
begin
  perform nightshift.require_nothing_queued();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = 'The purge needs isolation level read committed, not ' || current_setting('transaction_isolation'),
      detail = 'Under a fixed snapshot it could not see rows that appear after the lock.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if batch_rows is null or batch_rows < 1 or max_rows < 1 then
    raise exception using
      errcode = 'NS422',
      message = 'batch_rows and closure_rows must be at least 1',
      hint = 'batch_rows is about how many rows a batch looks at; begin with 1000, and leave closure_rows out.';
  end if;

  -- Others that need a row of it wait for as long.
  if batch_ms is null or batch_ms not between 1 and 1000 then
    raise exception using
      errcode = 'NS422',
      message = format('batch_ms must be 1 to 1000, not %s', coalesce(batch_ms::text, 'null')),
      hint = 'It is about how long a batch deletes slice by slice; leave it out for 200.';
  end if;

  run := nightshift.hold_run(run_id, fence);
  -- Triggers of the application can tell a purge from a user.
  perform set_config('nightshift.run_id', run.id::text, true);
  dry := run.dry_run or assess;
  -- What the brake has refused stays, and keeps what it refers to.
  scope := array(
    select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s
    where not coalesce(run.progress -> 'refusals' ? s::oid::regclass::text, false)
  );
  if not run.dry_run then
    -- Held until the end: once a policy is removed or changed, no batch deletes by what it was.
    perform 1 from nightshift.retention_policies p where p.relation::oid = any(scope) for share;
  end if;
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(purge_batch.relation) and p.enabled and p.relation::oid = any(scope);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no enabled retention policy in the scope of this run', purge_batch.relation),
      hint = 'It was removed, disabled or renamed since the run began; the next run follows the policies as they are then.';
  end if;
  -- Other tables lose rows here only when their brake can be asked, which needs their backlog.
  component := array(
    select c::oid from jsonb_array_elements_text(run.progress #> array['components', policy.relation::oid::text]) c
    where c::oid = any(scope)
      and (c::oid = policy.relation::oid or run.progress -> 'backlogs' ? c::oid::regclass::text)
      and exists (select from nightshift.retention_policies p where p.relation::oid = c::oid and p.enabled)
  );
  step := '{"rowsPurged": 0, "rowsBlocked": 0, "blockedBy": {}, "rowsKept": 0, "keptBy": {}, "rowsRefused": 0, "refusedBy": {}, "rowsUndecided": 0, "rowsPassedOver": 0, "children": {}, "released": {}, "batches": 0}'::jsonb
    || coalesce(run.progress #> array[section, policy.relation::text], '{}');

  policies := array(select policy.relation::oid union select unnest(component));
  keys := nightshift.hold_keys(policies, not dry);
  select t.level, t.seeds into level, seeds from nightshift.take_pending(
    run, scope, policy.relation, not dry, case when step -> 'cursor' = 'null' then 1 else batch_rows end
  ) t;
  if level is null and not dry and cardinality(component) = 0 and batch_rows >= fewest_rows then
    select s.step, s.deleted_rows is not null, s.seeds into step, by_slices, seeds
    from nightshift.purge_slices(run, policy, keys, batch_rows, batch_ms, step) s;
    run.progress := run.progress || jsonb_build_object(
      section, coalesce(run.progress -> section, '{}') || jsonb_build_object(policy.relation::text, step));
  end if;
  if level is not null then
    -- Of rows that waited, nobody knows which are in use and which are gone.
    step := step || '{"rowsPassedOver": null}';
  elsif not by_slices then
    select n.step, n.seeds into step, seeds from nightshift.next_seeds(run, policy, step, batch_rows, not dry) n;
  end if;
  -- What waits may be of policies that are not of the circle any more.
  known_keys := case when level is null then keys end;
  select r.* into resolved from nightshift.resolve_references(run, seeds, component, not dry, max_rows, known_keys) r;
  if not resolved.complete then
    -- By the batch, so that one which took too long is quicker the next time.
    held := nightshift.hold_at_once(run, resolved.reached, policies, keys, least(100::bigint * batch_rows, 1000000)::integer);
    waiting := nightshift.subtract_held(seeds, held);
    ahead := nightshift.subtract_held(resolved.ahead, held);
    if nightshift.count_rows(seeds) = 1 and nightshift.count_rows(waiting) = 1 and nightshift.count_rows(ahead) = 0 then
      -- It cannot be made any smaller, so it may take all that a statement has time for.
      select r.* into resolved from nightshift.resolve_references(run, seeds, component, not dry, 8 * max_rows, known_keys) r;
      if not resolved.complete then
        resolved.rows_to_delete := '{}';
        resolved.released := '{}';
        resolved.held := held || row(seeds[1].policy, seeds[1].relation, seeds[1].tids[1], 'undecided', null)::nightshift.held_row;
      end if;
    else
      step := nightshift.count_held(step, nightshift.note_decisions(
        run, policy.relation, level, seeds, waiting, '{}', held, cardinality(component) > 0, null
      ));
      if nightshift.count_rows(waiting) > 0 then
        perform nightshift.put_off(run, policy.relation, level, waiting, ahead);
      end if;
      resolved.rows_to_delete := null;
    end if;
  end if;

  if resolved.rows_to_delete is not null and (not by_slices or cardinality(seeds) > 0) then
    if not dry then
      perform nightshift.apply_brake(run, resolved.rows_to_delete);
      select d.* into result
      from nightshift.delete_closure(run, scope, component, resolved.rows_to_delete, resolved.held, resolved.released) d;
    else
      select resolved.rows_to_delete as deleted, resolved.held, resolved.released, '{}'::nightshift.moved_row[] as moved, false as is_stopped into result;
    end if;
    deleted := result.deleted;
    waiting := case when result.is_stopped then nightshift.follow_rows(nightshift.subtract_row_sets(seeds, deleted)) else '{}' end;
    waiting := nightshift.subtract_held(waiting, result.held);
    seeds := case when cardinality(result.moved) > 0 then nightshift.follow_rows(seeds) else seeds end;
    step := nightshift.count_held(step, nightshift.note_decisions(
      run, policy.relation, level, seeds, waiting, deleted, result.held, cardinality(component) > 0,
      case when assess then 'assessed' when dry then 'gone' end
    ));
    if nightshift.count_rows(waiting) > 0 then
      perform nightshift.put_off(run, policy.relation, level, waiting, '{}');
    end if;
    if cardinality(result.moved) > 0 then
      step := nightshift.recount_moved_rows(run, policy, step, result.moved);
    end if;
    if not assess then
      run.progress := run.progress || jsonb_build_object(section, nightshift.note_released(
        run, scope, policy.relation, deleted, result.released,
        coalesce(run.progress -> section, '{}') || jsonb_build_object(policy.relation::text, step)
      ));
      step := run.progress #> array[section, policy.relation::text];
    end if;
  end if;
  if cardinality(keys) > 0 then
    perform nightshift.require_attached(keys);
  end if;
  step := step || jsonb_build_object('batches', (step ->> 'batches')::bigint + 1);
  step := nightshift.record_batch(run, policy.relation, section, step, deleted);
  finished := step -> 'cursor' = 'null' and not exists (
    select from nightshift.purge_pending p where p.run_id = run.id and p.turn = policy.relation::oid
  );
  if not dry then
    perform nightshift.require_not_all_refused(policy.relation, step, finished);
  end if;
  if assess then
    refusal := nightshift.note_assessment(run, policy.relation, step, finished);
    finished := finished or refusal is not null;
  elsif finished and not run.dry_run then
    update nightshift.retention_policies p set first_purge = null where p.relation = policy.relation and p.first_purge is not null;
  end if;
  return jsonb_build_object(
    'step', step,
    'done', finished,
    'refusal', refusal,
    'bySlices', by_slices and cardinality(seeds) = 0,
    'rowsReached', greatest(nightshift.count_rows(array(select r from unnest(resolved.reached) r where r.due)) - nightshift.count_rows(seeds), 0),
    'pressure', case when not finished then nightshift.read_pressure(started) end,
    'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 3)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.purge_batch is
  'Purges the next batch of due rows of one table, about batch_rows of them, and commits (a dry run, and assess, count and delete nothing). A due row is locked (rows locked by others are passed over), checked again under the lock, and goes only when every row that refers to it goes with it; the rest count as blocked (or kept, where the policy says so) by foreign key, or as refused by trigger or constraint. closure_rows: how many rows more may go with a batch, and be released by it, to be decided at once, default 32 times batch_rows and at least 8,000; beyond, rows wait for those that refer to them, and one that takes 8 times as many is left undecided. batch_ms: about how long a batch deletes where rows go slice by slice, default 200, 1000 at most. assess: only ask whether the brake would refuse, in progress.assessments; what it says is the refusal, and the table then takes no further part in the run. Continues where the ledger says the last committed batch stopped. Returns {step: totals of this table in this run, done, refusal, rowsReached: how many due rows besides the batch had to be looked at, pressure: what read_pressure says of the time of the batch, null after the last one, durationMs}. statement_timeout 5 s, lock_timeout 0.5 s. Errors: NS404 policy gone or refused, NS409 lease lost, NS422 policy or trigger does not fit, NS410 cancelled or paused, NS428 more would go than max_fraction allows, NS425 a partition was detached, or is half detached, or a row moved meanwhile (repeat the call).';
