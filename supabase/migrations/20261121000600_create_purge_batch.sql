-- One batch of the purge: choose, lock, check again, delete, account for it. One call, one transaction.
-- Why: a row may be restored, or gain a row that refers to it, at any moment up to the lock; a function may die at any
--      moment after it. Choosing happens under the lock, and the ledger moves in the same transaction as the rows.
-- Locks: at run time ROW EXCLUSIVE on the purged table and row locks, never waited for, on due rows.

create type nightshift.row_ref as (relation oid, tid tid);

comment on type nightshift.row_ref is 'A physical row: the table that holds it, and where in it. Good for one transaction.';

create function nightshift.covering_policy(relation regclass, scope oid[])
returns setof nightshift.retention_policies
language sql
stable
set search_path = ''
begin atomic
  select p.*
  from nightshift.retention_policies p
  where p.enabled
    and p.relation::oid = any(covering_policy.scope)
    and (
      p.relation = covering_policy.relation
      or p.relation in (select a.relid from pg_catalog.pg_partition_ancestors(covering_policy.relation) a(relid))
    );
end;

comment on function nightshift.covering_policy is
  'The enabled policy within scope that covers a table or partition, if any.';

create function nightshift.find_due_referencing(
  frontier nightshift.row_ref[],
  scope oid[],
  as_of timestamptz,
  locking text
)
returns nightshift.row_ref[]
language plpgsql
set search_path = ''
set row_security = off
as $$
declare
  leaf oid;
  key record;
  part nightshift.row_ref[];
  found_rows nightshift.row_ref[] := '{}';
begin
  for leaf in select distinct f.relation from unnest(frontier) f loop
    for key in
      select k.join_condition, l.relation as referencing, p.drop_after, p.marker_column, p.flag_column
      from nightshift.referencing_keys(leaf) k
      cross join lateral nightshift.leaf_relations(k.referencing) l(relation)
      cross join lateral nightshift.covering_policy(l.relation, scope) p
    loop
      execute format(
        'select array_agg(row(%1$s::oid, r.ctid)::nightshift.row_ref) from (
           select x.ctid from only %2$s x
           where %3$s
             and exists (select 1 from only %4$s t where t.ctid = any($1) and %5$s)
           %6$s
         ) r',
        key.referencing::oid, key.referencing,
        nightshift.due_condition('x', key.referencing, key.drop_after, key.marker_column, key.flag_column, as_of),
        leaf::regclass, key.join_condition, locking
      )
      into part
      using array(select f.tid from unnest(frontier) f where f.relation = leaf);
      found_rows := found_rows || coalesce(part, '{}');
    end loop;
  end loop;
  return array(select distinct r from unnest(found_rows) r);
end;
$$;

comment on function nightshift.find_due_referencing is
  'The due rows, within scope, that refer to any row of frontier; locked when locking says so.';

create function nightshift.spare_needed_rows(
  inout doomed nightshift.row_ref[],
  seeds nightshift.row_ref[],
  out needed_by jsonb
)
language plpgsql
set search_path = ''
set row_security = off
as $$
declare
  leaf oid;
  key record;
  spared nightshift.row_ref[];
  settled boolean;
begin
  needed_by := '{}';
  loop
    settled := true;
    for leaf in select distinct d.relation from unnest(doomed) d loop
      for key in
        select k.name, k.join_condition, k.referencing, c.relkind
        from nightshift.referencing_keys(leaf) k
        join pg_catalog.pg_class c on c.oid = k.referencing
      loop
        -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
        -- that is not doomed. NOT EXISTS would first subtract the doomed rows from the whole of x.
        execute format(
          'select array_agg(row(%1$s::oid, t.ctid)::nightshift.row_ref)
           from only %2$s t
           where t.ctid = any($1)
             and exists (
               select 1 from %3$s %4$s x
               where %5$s
                 and (x.tableoid, x.ctid) not in (select d.relation, d.tid from unnest($2) d)
             )',
          leaf, leaf::regclass,
          case key.relkind when 'p' then '' else 'only' end, key.referencing,
          key.join_condition
        )
        into spared
        using array(select d.tid from unnest(doomed) d where d.relation = leaf), doomed;
        continue when spared is null;

        settled := false;
        doomed := array(select d from unnest(doomed) d except select s from unnest(spared) s);
        needed_by := needed_by || coalesce((
          select jsonb_build_object(key.name, coalesce((needed_by ->> key.name)::bigint, 0) + count(*))
          from (select s from unnest(spared) s intersect select s from unnest(seeds) s) counted
          having count(*) > 0
        ), '{}');
      end loop;
    end loop;
    exit when settled;
  end loop;
end;
$$;

comment on function nightshift.spare_needed_rows is
  'Takes out of doomed, until nothing changes, every row that a row outside of doomed refers to. needed_by counts how many of seeds were taken out, by foreign key.';

create function nightshift.resolve_references(
  seeds nightshift.row_ref[],
  scope oid[],
  as_of timestamptz,
  locking text,
  out doomed nightshift.row_ref[],
  out needed_by jsonb
)
language plpgsql
set search_path = ''
as $$
declare
  frontier nightshift.row_ref[] := seeds;
begin
  doomed := seeds;
  needed_by := '{}';
  if not exists (
    select 1 from (select distinct s.relation from unnest(seeds) s) l, nightshift.referencing_keys(l.relation)
  ) then
    return;
  end if;
  while cardinality(frontier) > 0 loop
    frontier := array(
      select f from unnest(nightshift.find_due_referencing(frontier, scope, as_of, locking)) f
      except
      select d from unnest(doomed) d
    );
    doomed := doomed || frontier;
  end loop;
  -- A fresh look, after the locks: whoever would refer to a locked row now waits for us, whoever did before is seen.
  select s.doomed, s.needed_by into doomed, needed_by
  from nightshift.spare_needed_rows(doomed, seeds) s;
end;
$$;

comment on function nightshift.resolve_references is
  'Of locked due rows (seeds), those that may go, together with the due rows that refer to them, directly or not: the largest set that nothing outside of it refers to. needed_by counts the seeds that stay, by foreign key.';

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
set search_path = ''
set row_security = off
as $$
declare
  first_block bigint;
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
    first_block := coalesce((place ->> 'after')::bigint, 0);
    next_block := first_block + greatest(1, round(batch_rows / rows_per_page));
    execute format(
      'select array_agg(r.ctid) from (
         select r.ctid from only %s r where r.ctid >= ''(%s,0)'' and r.ctid < ''(%s,0)'' and %s %s
       ) r',
      leaf, first_block, least(next_block, 4294967295), due, locking
    ) into chosen;
    place := place || jsonb_build_object(
      'after', next_block,
      'leafDone', next_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint
    );
    return;
  end if;

  -- In marker order, each marker value once: with ties, so the next batch can begin strictly after the last value.
  execute format(
    'select array_agg(c.ctid), count(*), max(c.marker)::text from (
       select * from (
         select r.ctid, r.%1$I as marker from only %2$s r where %3$s and r.%1$I > %4$L
         order by r.%1$I fetch first %5$s rows with ties
       ) c limit 4 * %5$s + 1
     ) c',
    marker_column, leaf, due, coalesce(place ->> 'after', '-infinity'), batch_rows
  ) into found_tids, found_rows, last_marker;
  if found_rows > 4 * batch_rows then
    -- One value of the marker on very many rows, as after a bulk delete: no order among them to continue by.
    place := place || jsonb_build_object('mode', 'sweep', 'after', 0, 'leafDone', false);
    return;
  end if;
  execute format('select array_agg(r.ctid) from (select r.ctid from only %s r where r.ctid = any($1) and %s %s) r', leaf, due, locking)
  into chosen using found_tids;
  place := place || jsonb_build_object('after', last_marker, 'leafDone', found_rows < batch_rows);
end;
$$;

comment on function nightshift.choose_due_rows is
  'The next due rows of a leaf after place, at most about batch_rows, locked when locking says so and then known to be due under the lock. place: mode (sweep: after is a block number; index: after is a marker value), after, and leafDone once nothing is left behind it.';

create function nightshift.next_leaf(relation regclass, done oid, due text)
returns jsonb
language plpgsql
set search_path = ''
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

create function nightshift.delete_rows(doomed nightshift.row_ref[], scope oid[])
returns jsonb
language plpgsql
set search_path = ''
set row_security = off
as $$
declare
  leaves oid[] := array(select distinct d.relation from unnest(doomed) d order by 1);
  deletes text;
  counts text;
  deleted jsonb;
  expected jsonb;
begin
  if cardinality(leaves) = 0 then
    return '{}';
  end if;
  if exists (select 1 from pg_catalog.pg_trigger t where t.tgrelid = any(leaves) and not t.tgisinternal) then
    -- Triggers of the application were written for the application's own search path, not for an empty one.
    perform set_config('search_path', (select s.reset_val from pg_catalog.pg_settings s where s.name = 'search_path'), true);
  end if;

  -- One statement for all tables: foreign keys are checked at its end, when rows that refer to each other are all gone.
  select
    string_agg(format(
      'd%1$s as (delete from only %2$I.%3$I where ctid = any(array(select d.tid from pg_catalog.unnest($1) d where d.relation = %1$s)) returning 1)',
      c.oid, n.nspname, c.relname), ', '),
    string_agg(format('%1$L, (select pg_catalog.count(*) from d%1$s)', c.oid), ', ')
  into deletes, counts
  from unnest(leaves) l
  join pg_catalog.pg_class c on c.oid = l
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace;
  execute format('with %s select pg_catalog.jsonb_build_object(%s)', deletes, counts) into deleted using doomed;
  perform set_config('search_path', '', true);

  select jsonb_object_agg(e.relation, e.n) into expected
  from (select d.relation, count(*) n from unnest(doomed) d group by d.relation) e;
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
  'Deletes locked rows of any tables in one statement and returns how many, by the table of the policy. Errors: NS422, all undone, when a trigger kept a row.';

create function nightshift.add_counts(a jsonb, b jsonb)
returns jsonb
language sql
immutable
set search_path = ''
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
set search_path = ''
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
      where p.relation = to_regclass(entry.relation);
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

create function nightshift.purge_batch(run_id uuid, fence bigint, relation text, batch_rows integer)
returns jsonb
language plpgsql
security definer
set search_path = ''
set row_security = off
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
  seeds nightshift.row_ref[] := '{}';
  doomed nightshift.row_ref[];
  own_doomed bigint;
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
    raise exception using errcode = 'NS422', message = 'batch_rows must be at least 1';
  end if;

  run := nightshift.hold_run(run_id, fence);
  if (select s.paused from nightshift.settings s) then
    raise exception using
      errcode = 'NS428',
      message = 'Nightshift is paused',
      hint = 'select nightshift.unpause(); lets jobs delete again.';
  end if;
  scope := array(select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s);
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = to_regclass(purge_batch.relation) and p.enabled and p.relation::oid = any(scope);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no enabled retention policy in the scope of this run', purge_batch.relation),
      hint = 'It was removed, disabled or renamed since the run began; the next run follows the policies as they are then.';
  end if;

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
    if exists (select 1 from pg_catalog.pg_class c where c.oid = leaf) then
      select c.place, c.chosen into place, chosen
      from nightshift.choose_due_rows(leaf, due, policy.marker_column, locking, batch_rows, place) c;
      seeds := array(select row(leaf, c)::nightshift.row_ref from unnest(chosen) c);
    end if;
    if coalesce((place ->> 'leafDone')::boolean, true) then
      place := coalesce(nightshift.next_leaf(policy.relation, leaf, due), 'null');
    end if;
  end loop;

  select r.doomed, r.needed_by into doomed, needed_by
  from nightshift.resolve_references(seeds, scope, run.started_at, locking) r;
  own_doomed := cardinality(array(select d from unnest(doomed) d intersect select s from unnest(seeds) s));
  if run.dry_run then
    purged := jsonb_build_object(policy.relation::text, own_doomed);
  else
    purged := nightshift.delete_rows(doomed, scope);
  end if;

  step := step || jsonb_build_object(
    'place', place,
    'batches', (step ->> 'batches')::bigint + 1,
    'rowsBlocked', (step ->> 'rowsBlocked')::bigint + cardinality(seeds) - own_doomed,
    'blockedBy', nightshift.add_counts(step -> 'blockedBy', needed_by)
  );
  return nightshift.record_batch(run, policy.relation, step, purged) || jsonb_build_object(
    'done', place = 'null',
    'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 3)
  );
end;
$$;

comment on function nightshift.purge_batch is
  'Purges the next batch of due rows of one table, about batch_rows of them, and commits (a dry run counts and deletes nothing). A due row is locked (rows locked by others are passed over), checked again under the lock, and goes only when every row that refers to it goes with it; the rest count as blocked, by foreign key. Continues where the ledger says the last committed batch stopped. Returns {rowsByRelation: purged by this batch, step: totals of this table in this run, done, durationMs}. statement_timeout 5 s, lock_timeout 1 s. Errors: NS404 policy gone, NS409 lease lost, NS422 policy or trigger does not fit, NS428 paused.';

revoke all on function
  nightshift.covering_policy, nightshift.find_due_referencing, nightshift.spare_needed_rows,
  nightshift.resolve_references, nightshift.choose_due_rows, nightshift.next_leaf, nightshift.delete_rows,
  nightshift.add_counts, nightshift.record_batch, nightshift.purge_batch
from public, anon, authenticated;
grant execute on function nightshift.purge_batch to service_role;
revoke all on type nightshift.row_ref from public;
