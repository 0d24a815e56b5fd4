-- One batch of the purge: choose, lock, check again, delete, account for it. One call, one transaction.
-- Why: a row may be restored, or gain a row that refers to it, at any moment up to the lock; a function may die at any
--      moment after it. Choosing happens under the lock, and the ledger moves in the same transaction as the rows.
-- Locks: at run time ROW EXCLUSIVE on the purged table and on due tables that refer to it, waited for at most 1 s, and row
--        locks on due rows, never waited for.

create or replace function nightshift.purge_batch(run_id uuid, fence bigint, relation text, batch_rows integer)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
set statement_timeout = '5s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  started constant timestamptz := clock_timestamp();
  run nightshift.runs;
  scope oid[];
  policy nightshift.retention_policies;
  due text;
  locking text;
  step jsonb;
  place jsonb;
  leaf regclass;
  chosen tid[];
  seeds nightshift.row_set[] := '{}';
  doomed nightshift.row_set[];
  seeds_doomed bigint;
  needed_by jsonb;
  purged jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = 'The purge needs isolation level read committed, not ' || current_setting('transaction_isolation'),
      detail = 'Under a fixed snapshot it could not see rows that appear after the lock.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if batch_rows is null or batch_rows < 1 then
    raise exception using
      errcode = 'NS422',
      message = 'batch_rows must be at least 1',
      hint = 'It is about how many rows a batch looks at; begin with 1000.';
  end if;

  run := nightshift.hold_run(run_id, fence);
  -- Triggers of the application can tell a purge from a user.
  perform set_config('nightshift.run_id', run.id::text, true);
  if (select s.paused from nightshift.settings s) then
    raise exception using
      errcode = 'NS428',
      message = 'Nightshift is paused',
      hint = 'select nightshift.unpause(); lets jobs delete again.';
  end if;
  scope := array(select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s);
  -- Held until the end: once a policy is removed or changed, no batch deletes by what it was.
  perform 1 from nightshift.retention_policies p where p.relation::oid = any(scope) for share;
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(purge_batch.relation) and p.enabled and p.relation::oid = any(scope);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no enabled retention policy in the scope of this run', purge_batch.relation),
      hint = 'It was removed, disabled or renamed since the run began; the next run follows the policies as they are then.';
  end if;

  -- Other tables may lose rows here only when their brake has been looked at, which needs their backlog.
  scope := array(
    select s from unnest(scope) s
    where s = policy.relation::oid or run.progress -> 'backlogs' ? s::regclass::text
  );

  due := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
  );
  locking := case when run.dry_run then '' else 'for update skip locked' end;
  step := '{"rowsPurged": 0, "rowsBlocked": 0, "blockedBy": {}, "batches": 0}'::jsonb
    || coalesce(run.progress #> array['steps', policy.relation::text], '{}');
  place := coalesce(step -> 'place', nightshift.next_leaf(policy.relation, 0, policy.marker_column, due), 'null');

  -- Leaves without due rows are passed over in one go.
  while place <> 'null' and cardinality(seeds) = 0 and clock_timestamp() < started + interval '100 milliseconds' loop
    leaf := (place ->> 'leaf')::oid::regclass;
    if leaf in (select l from nightshift.leaf_relations(policy.relation) l) then
      perform nightshift.hold_table(leaf, locking);
      due := nightshift.due_condition(
        'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      select c.place, c.chosen into place, chosen
      from nightshift.choose_due_rows(leaf, due, policy.marker_column, locking, batch_rows, place) c;
      if chosen is not null then
        seeds := array[row(leaf, chosen)::nightshift.row_set];
      end if;
    else
      -- Dropped or detached since the last batch: its rows are no longer ours.
      place := place || '{"leafDone": true}';
    end if;
    if (place ->> 'leafDone')::boolean then
      place := coalesce(nightshift.next_leaf(policy.relation, leaf, policy.marker_column, due), 'null');
    end if;
  end loop;

  select r.doomed, r.seeds_doomed, r.needed_by into doomed, seeds_doomed, needed_by
  from nightshift.resolve_references(seeds, scope, run.started_at, locking) r;
  if not run.dry_run and not coalesce((run.input ->> 'force')::boolean, false) then
    perform nightshift.brake(run, doomed, scope);
  end if;
  if run.dry_run then
    purged := jsonb_build_object(policy.relation::text, seeds_doomed);
  else
    purged := nightshift.delete_rows(doomed, scope);
  end if;

  step := step || jsonb_build_object(
    'place', place,
    'batches', (step ->> 'batches')::bigint + 1,
    'rowsBlocked', (step ->> 'rowsBlocked')::bigint + nightshift.count_rows(seeds) - seeds_doomed,
    'blockedBy', nightshift.add_counts(step -> 'blockedBy', needed_by)
  );
  return nightshift.record_batch(run, policy.relation, step, purged) || jsonb_build_object(
    'done', place = 'null',
    'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 3)
  );
end;
$$;

comment on function nightshift.purge_batch is
  'Purges the next batch of due rows of one table, about batch_rows of them, and commits (a dry run counts and deletes nothing). A due row is locked (rows locked by others are passed over), checked again under the lock, and goes only when every row that refers to it goes with it; the rest count as blocked, by foreign key. Continues where the ledger says the last committed batch stopped. Returns {rowsByRelation: purged by this batch, step: totals of this table in this run, done, durationMs}. statement_timeout 5 s, lock_timeout 1 s. Errors: NS404 policy gone, NS409 lease lost, NS422 policy or trigger does not fit, NS428 paused, or more would go than max_fraction allows, 40001 a partition was detached meanwhile (repeat the call).';
