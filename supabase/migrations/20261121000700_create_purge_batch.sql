-- One batch of the purge: choose, lock, check again, delete, account for it. One call, one transaction.
-- Why: a row may be restored, or gain a row that refers to it, at any moment up to the lock; a function may die at any
--      moment after it. Choosing happens under the lock, and the ledger moves in the same transaction as the rows.
-- Locks: at run time ROW EXCLUSIVE on the purged table and on due tables that refer to it, waited for at most 1 s, and row
--        locks on due rows, never waited for.

create function nightshift.choose_due_rows(
  leaf regclass,
  due text,
  marker_column name,
  locking text,
  batch_rows integer,
  inout place jsonb,
  out chosen tid[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
set enable_seqscan = off
as $$
declare
  -- Rows with one marker value that may go in one batch, where batches are not small for a reason.
  max_ties constant integer := greatest(4 * batch_rows, case when batch_rows >= 500 then 20000 else 0 end);
  start tid;
  next_block bigint;
  rows_per_page numeric;
  found_tids tid[];
  found_rows integer;
  last_marker text;
begin
  if place ->> 'mode' = 'sweep' then
    -- Block by block, each block once: no batch meets what an earlier one killed.
    select greatest(1, least(291, case when c.relpages > 0 and c.reltuples > 0 then c.reltuples / c.relpages else 50 end))
    into rows_per_page
    from pg_catalog.pg_class c where c.oid = leaf;
    start := coalesce(place ->> 'after', '(0,0)')::tid;
    next_block := (start::text::point)[0]::bigint + greatest(1, round(batch_rows / rows_per_page));
    execute format(
      'select array_agg(r.ctid) from (
         select r.ctid from only %s r
         where r.ctid > %L and r.ctid < ''(%s,0)'' and r.tableoid = %s and (%s) is true %s
         limit %s %s
       ) r',
      leaf, start, least(next_block, 4294967295), leaf::oid, due,
      -- What an index walk has seen already is not looked at twice.
      case when place ? 'floor' then format('and r.%I > %L', marker_column, place ->> 'floor') end,
      batch_rows, locking
    ) into chosen;
    -- Stopped by the limit, the next batch begins in mid-page; never past the pages read, wherever a row has moved to.
    if cardinality(chosen) >= batch_rows then
      place := place || jsonb_build_object(
        'after', (select least(max(c), format('(%s,0)', next_block)::tid) from unnest(chosen) c), 'leafDone', false
      );
    else
      place := place || jsonb_build_object(
        'after', format('(%s,0)', next_block),
        'leafDone', next_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint
      );
    end if;
    return;
  end if;

  -- In marker order, each marker value once: with ties, so the next batch can begin strictly after the last value.
  execute format(
    'select array_agg(c.ctid), count(*), max(c.marker)::text from (
       select * from (
         select r.ctid, r.%1$I as marker from only %2$s r where %3$s and r.%1$I > %4$L
         order by r.%1$I fetch first %5$s rows with ties
       ) c limit %6$s
     ) c',
    marker_column, leaf, due, coalesce(place ->> 'after', '-infinity'), batch_rows, max_ties + 1
  ) into found_tids, found_rows, last_marker;
  if found_rows > max_ties then
    -- One value of the marker on very many rows, as after a bulk delete: no order among them to continue by.
    place := place || jsonb_build_object(
      'mode', 'sweep', 'after', '(0,0)', 'floor', coalesce(place ->> 'after', '-infinity'), 'leafDone', false
    );
    return;
  end if;
  execute format(
    'select array_agg(r.ctid) from (
       select r.ctid from only %s r where r.ctid = any($1) and r.tableoid = %s and (%s) is true %s
     ) r',
    leaf, leaf::oid, due, locking
  )
  into chosen using found_tids;
  place := place || jsonb_build_object('after', last_marker, 'leafDone', found_rows < batch_rows);
end;
$$;

comment on function nightshift.choose_due_rows is
  'The next due rows of a leaf after place, about batch_rows of them, or up to 20,000 with one marker value, locked when locking says so and then known to be due under the lock. place: mode (sweep: after is the address of a row; index: after is a marker value), after, and leafDone once nothing is left behind it.';

create function nightshift.next_leaf(relation regclass, done oid, due text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
  plan jsonb;
begin
  select l into leaf from nightshift.leaf_relations(relation) l where l::oid > done order by l::oid limit 1;
  if leaf is null then
    return null;
  end if;
  -- Postgres weighs the index against reading every page; where it would read every page, we sweep.
  execute format('explain (format json) select r.ctid from only %s r where %s', leaf, due) into plan;
  return jsonb_build_object(
    'leaf', leaf::oid::bigint,
    'mode', case when plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then 'sweep' else 'index' end
  );
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode}, or null when there is no further leaf. mode is sweep where the due rows are dense, index where they are sparse.';

create function nightshift.delete_rows(doomed nightshift.row_set[], scope oid[])
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  deletes text[];
  deleted_rows bigint;
  deleted jsonb;
  expected jsonb;
begin
  if cardinality(doomed) = 0 then
    return '{}';
  end if;
  -- The row locks hold the tables as they are from here on; a partition may have been detached just before.
  if exists (
    select 1 from unnest(doomed) d
    where not exists (select 1 from nightshift.covering_policy(d.relation, scope))
  ) then
    raise exception using
      errcode = 'serialization_failure',
      message = 'A partition was detached, or a policy changed, while its rows were being chosen',
      detail = 'Nothing was deleted.',
      hint = 'Repeat the call.';
  end if;
  if exists (
    select 1
    from pg_catalog.pg_trigger t
    where t.tgrelid in (select d.relation from unnest(doomed) d) and not t.tgisinternal
  ) then
    -- Triggers of the application were written for the application's own search path, not for ours.
    perform set_config('search_path', (select s.trigger_search_path || ', pg_temp' from nightshift.settings s), true);
  else
    perform set_config('enable_seqscan', 'off', true);
  end if;

  -- Where the rows lie close together, bounds let Postgres read that stretch of the table once, three times as fast as
  -- fetching each row by its address.
  select
    array_agg(format(
      'delete from only %I.%I where ctid operator(pg_catalog.=) any(($1[%s]).tids) and tableoid operator(pg_catalog.=) %s %s',
      n.nspname, c.relname, d.position, c.oid,
      case when (b.last::text::point)[0] - (b.first::text::point)[0] < cardinality(d.tids) / 4
        then format('and ctid operator(pg_catalog.>=) %L and ctid operator(pg_catalog.<=) %L', b.first, b.last) end
    ) order by d.position),
    jsonb_object_agg(c.oid, cardinality(d.tids))
  into deletes, expected
  from unnest(doomed) with ordinality d(relation, tids, position)
  cross join lateral (select min(t) as first, max(t) as last from unnest(d.tids) t) b
  join pg_catalog.pg_class c on c.oid = d.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace;

  if cardinality(deletes) = 1 then
    execute deletes[1] using doomed;
    get diagnostics deleted_rows = row_count;
    deleted := jsonb_build_object(doomed[1].relation, deleted_rows);
  else
    -- One statement for all tables: foreign keys are checked at its end, when rows that refer to each other are all gone.
    execute (
      select format(
        'with %s select pg_catalog.jsonb_build_object(%s)',
        string_agg(format('d%s as (%s returning 1)', d.position, deletes[d.position]), ', '),
        string_agg(format('%L, (select pg_catalog.count(*) from d%s)', d.relation, d.position), ', ')
      )
      from unnest(doomed) with ordinality d(relation, tids, position)
    ) into deleted using doomed;
  end if;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);

  if deleted <> expected then
    raise exception using
      errcode = 'NS422',
      message = format('A trigger kept rows from being deleted: %s of %s went', deleted, expected),
      detail = 'The batch was rolled back, with whatever the trigger did.',
      hint = 'A BEFORE DELETE trigger that turns deletes into soft deletes must let rows go that are soft-deleted already.';
  end if;
  return (
    select jsonb_object_agg(e.relation, e.n)
    from (
      select p.relation::text, sum(d.value::bigint) as n
      from jsonb_each_text(deleted) d
      cross join lateral nightshift.covering_policy(d.key::oid::regclass, scope) p
      group by p.relation
    ) e
  );
end;
$$;

comment on function nightshift.delete_rows is
  'Deletes locked rows of any tables in one statement and returns how many, by the table of the policy. Errors: NS422, all undone, when a trigger kept a row; 40001 when a table is no longer covered.';

create function nightshift.add_counts(a jsonb, b jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(jsonb_object_agg(s.key, s.total), '{}')
  from (
    select e.key, sum(e.value::bigint) as total
    from (select * from jsonb_each_text(add_counts.a) union all select * from jsonb_each_text(add_counts.b)) e
    group by e.key
  ) s;
end;

comment on function nightshift.add_counts is 'Adds two JSON objects of counts key by key.';

create function nightshift.record_batch(run nightshift.runs, relation regclass, step jsonb, purged jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  steps jsonb := run.progress -> 'steps' || jsonb_build_object(relation::text, step);
  entry record;
begin
  for entry in select p.key as relation, p.value::bigint as n from jsonb_each_text(purged) p where p.value <> '0' loop
    steps := steps || jsonb_build_object(
      entry.relation,
      coalesce(steps -> entry.relation, '{}')
        || jsonb_build_object('rowsPurged', coalesce((steps #>> array[entry.relation, 'rowsPurged'])::bigint, 0) + entry.n)
    );
    if not run.dry_run then
      update nightshift.retention_policies p
      set
        last_purged_at = clock_timestamp(),
        last_purged_run = run.id,
        last_purged_rows = (steps #>> array[entry.relation, 'rowsPurged'])::bigint
      where p.relation = nightshift.find_relation(entry.relation);
    end if;
  end loop;
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps', steps)
  where r.id = run.id;
  return jsonb_build_object('rowsByRelation', purged, 'step', steps -> relation::text);
end;
$$;

comment on function nightshift.record_batch is
  'Writes what a batch did into the ledger and the policies, in the transaction of the batch.';

create function nightshift.brake(run nightshift.runs, doomed nightshift.row_set[], scope oid[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  excess record;
begin
  select g.relation, g.gone, g.going, floor(g.max_fraction * g.total) as allowed into excess
  from (
    select
      p.relation, p.max_fraction,
      coalesce((run.progress #>> array['steps', p.relation::text, 'rowsPurged'])::bigint, 0) as gone,
      sum(cardinality(d.tids)) as going,
      (run.progress #>> array['backlogs', p.relation::text, 'totalRows'])::numeric as total
    from unnest(doomed) d
    cross join lateral nightshift.covering_policy(d.relation, scope) p
    group by p.relation, p.max_fraction
  ) g
  where g.gone + g.going > g.max_fraction * g.total
  limit 1;
  if found then
    raise exception using
      errcode = 'NS428',
      message = format('%s would lose more of its rows than max_fraction allows', excess.relation),
      detail = format('%s are gone in this run, %s more would go now, %s are allowed. This batch deleted nothing.',
        excess.gone, excess.going, excess.allowed),
      hint = 'The policy or the rows changed since the run began. Look with a dry run; then force, or raise max_fraction.';
  end if;
end;
$$;

comment on function nightshift.brake is
  'Raises NS428 when a batch would take a table past the max_fraction of its policy, counted from the start of the run.';

create function nightshift.purge_batch(run_id uuid, fence bigint, relation text, batch_rows integer)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
set statement_timeout = '5s'
set lock_timeout = '1s'
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
  place := coalesce(step -> 'place', nightshift.next_leaf(policy.relation, 0, due), 'null');

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
      place := coalesce(nightshift.next_leaf(policy.relation, leaf, due), 'null');
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

revoke all on function
  nightshift.choose_due_rows, nightshift.next_leaf, nightshift.delete_rows, nightshift.add_counts,
  nightshift.record_batch, nightshift.brake, nightshift.purge_batch
from public, anon, authenticated;
grant execute on function nightshift.purge_batch to service_role;
