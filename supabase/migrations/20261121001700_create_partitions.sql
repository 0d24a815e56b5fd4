-- Room ahead: which partitions are missing, and the transaction that makes them.
-- Why: made apart and attached, a partition costs its table a lock that neither readers nor writers meet; only rows that
--      change partition keep everyone waiting.
-- Locks: none on any existing object; at run time SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on tables that
--        its foreign keys refer to; with a default partition ACCESS EXCLUSIVE on both, for as long as rows move.

create function nightshift.count_between(policy nightshift.partition_policies, relation regclass, bounds timestamp[])
returns table (lower timestamp, upper timestamp, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record := nightshift.partition_key(policy.parent);
  literals text[] := array(
    select nightshift.bound_of_time(b.at, key.type, policy.epoch) from unnest(bounds) with ordinality b(at, position) order by b.position
  );
begin
  return query execute format(
    'select $1[r.bucket], $1[r.bucket + 1], r.row_count
     from (
       select width_bucket(r.%1$I, array[%2$s]::%3$s[]) as bucket, count(*) as row_count
       from only %4$s r where r.%1$I >= %5$s and r.%1$I < %6$s%7$s group by 1
     ) r',
    key.column_name, array_to_string(literals, ', '), key.type, relation, literals[1], literals[cardinality(literals)],
    -- A random uuid is of no time.
    case when key.type = 'uuid'::regtype then format(' and substr(r.%I::text, 15, 1) = ''7''', key.column_name) end
  ) using bounds;
end;
$$;

comment on function nightshift.count_between is
  'How many rows of a table lie from each of the bounds, in the order of time, to the next; without those where there are none.';

create function nightshift.partitions_wanted(policy nightshift.partition_policies, state nightshift.partition_state)
returns table (piece tsrange, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  counted tsrange[] := '{}';
  counts bigint[] := '{}';
  filled tsmultirange := '{}';
  oldest timestamp;
begin
  if state.default_partition is not null and pg_relation_size(state.default_partition) > 0 then
    -- Rows beyond the horizon wait for it to come to them; if a clock was wrong, it never does.
    select array_agg(tsrange(c.lower, c.upper)), array_agg(c.row_count), range_agg(tsrange(c.lower, c.upper))
    into counted, counts, filled
    from nightshift.count_between(policy, state.default_partition, array(
      select s.at
      from generate_series(state.begun - 1000 * policy.every, state.begun + (policy.premake + 1) * policy.every, policy.every) s(at)
      union
      -- Where an odd partition cuts an interval, each side is counted for itself.
      select b.at
      from unnest(state.held + state.detached) h(period)
      cross join lateral (values (lower(h.period)), (upper(h.period))) b(at)
      where b.at > state.begun - 1000 * policy.every and b.at < state.begun + (policy.premake + 1) * policy.every
      order by 1
    )) c;
  end if;
  -- Once the first of these rows have their partition, what lies between it and the others is a gap.
  oldest := case when lower(filled) is not null
    then greatest(lower(filled), nightshift.interval_start(policy.every, state.cutoff)) end;
  return query
  select tsrange(i.lower, i.upper), c.row_count
  from nightshift.intervals_of(
    policy.every,
    state.missing + coalesce(filled, '{}')
      + case when oldest < state.begun then tsmultirange(tsrange(oldest, state.begun)) else '{}' end
      - state.held - state.detached
  ) i
  cross join lateral (
    select coalesce(sum(c.row_count)::bigint, 0)
    from unnest(counted, counts) c(period, row_count)
    where c.period && tsrange(i.lower, i.upper)
  ) c(row_count)
  where c.row_count > 0 or (i.upper <= state.cutoff) is not true;
end;
$$;

comment on function nightshift.partitions_wanted is
  'The periods of the partitions that a table lacks, those for rows of its default partition included, and how many such rows there are for each.';

create function nightshift.partitions_to_make(
  policy nightshift.partition_policies,
  state nightshift.partition_state,
  max_rows bigint,
  out pieces tsrange[],
  out complete boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  choice record;
  grain interval;
begin
  -- Room ahead first; then the rows of now, then the others, as many as one transaction may hold everyone up for.
  select
    array_agg(p.piece order by p.piece) filter (where p.row_count = 0) as empty,
    array_agg(p.piece order by p.total) filter (where p.row_count > 0) as filled,
    array_agg(p.piece order by p.total) filter (where p.row_count > 0 and p.total <= max_rows) as few
  into choice
  from (
    select w.piece, w.row_count, sum(w.row_count) over (order by upper(w.piece) <= state.begun, w.piece) as total
    from nightshift.partitions_wanted(policy, state) w
  ) p;
  pieces := coalesce(choice.empty, choice.few, '{}');
  complete := cardinality(pieces) = coalesce(cardinality(choice.empty), 0) + coalesce(cardinality(choice.filled), 0);
  if pieces = '{}' and choice.filled is not null then
    -- Too many for one partition at a time: as much of it as max_rows allows, from an hour (or a day) upwards.
    grain := case when state.key_type = 'date'::regtype then '1 day' else '1 hour' end;
    select array[tsrange(lower(choice.filled[1]), coalesce(max(c.upper) filter (where c.total <= max_rows), min(c.upper), upper(choice.filled[1])))]
    into pieces
    from (
      select n.upper, sum(n.row_count) over (order by n.lower) as total
      from nightshift.count_between(policy, state.default_partition, array(
        select s.at from generate_series(lower(choice.filled[1]), upper(choice.filled[1]) - grain, grain) s(at)
        union all
        select upper(choice.filled[1])
      )) n
    ) c;
    complete := pieces = choice.filled;
  end if;
end;
$$;

comment on function nightshift.partitions_to_make is
  'The periods of the partitions that one transaction makes: all that are missing or, with rows in a default partition, first those without any, then those with, up to max_rows in all; an interval that holds more than that is made in parts. complete: nothing remains after them.';

create function nightshift.lock_in_turn(relations regclass[], modes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  patience constant text := current_setting('lock_timeout');
  give_up_at constant timestamptz := clock_timestamp() + patience::interval;
  target record;
begin
  for target in select * from unnest(relations, modes) t(relation, mode) loop
    if patience <> '0' then
      perform set_config('lock_timeout', greatest(ceil(extract(epoch from give_up_at - clock_timestamp()) * 1000), 1)::text, true);
    end if;
    execute format('lock table only %s in %s mode', target.relation, target.mode);
  end loop;
  perform set_config('lock_timeout', patience, true);
end;
$$;

comment on function nightshift.lock_in_turn is
  'Locks tables one after the other, waiting for all of them together no longer than lock_timeout.';

create function nightshift.lock_for_change(parent regclass, default_partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What Postgres is going to lock at the other end of foreign keys: waited for later, with the table locked already, a
  -- writer of both would be in a deadlock.
  others regclass[] := array(
    select distinct o.relation::regclass
    from pg_catalog.pg_constraint k
    cross join lateral unnest(array[k.conrelid, k.confrelid]) o(relation)
    where lock_for_change.parent in (k.conrelid, k.confrelid) and k.contype = 'f' and k.conparentid = 0
      and o.relation <> lock_for_change.parent
    order by 1
  );
begin
  perform nightshift.lock_in_turn(
    array_remove(others || parent || default_partition, null),
    array_fill('share row exclusive'::text, array[cardinality(others)])
      || array_fill('access exclusive'::text, array[1 + num_nonnulls(default_partition)])
  );
end;
$$;

comment on function nightshift.lock_for_change is
  'Locks a table, its default partition and the tables at the other end of its foreign keys, so that rows can change partition or a partition can go. Waits no longer than lock_timeout in all.';

create function nightshift.create_missing_partitions(
  parent regclass,
  as_of timestamptz default now(),
  max_rows bigint default 50000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  patience constant text := current_setting('lock_timeout');
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  todo record;
  known record;
  model regclass;
  piece tsrange;
  locked_at timestamptz;
  made jsonb := '[]';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions are made under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see what appears before the lock.',
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  select p.* into policy from nightshift.partition_policies p
  where p.parent = create_missing_partitions.parent
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  if patience = '0' then
    perform set_config('lock_timeout', '2s', true);
  end if;
  -- From here on nobody else makes, attaches or detaches a partition; readers and writers go on.
  execute format('lock table only %s in share update exclusive mode', policy.parent);
  state := nightshift.assess_partitions(array[policy.parent::oid], as_of);
  todo := nightshift.partitions_to_make(policy, state, max_rows);
  if todo.pieces = '{}' then
    return jsonb_build_object('created', made, 'done', todo.complete, 'lockedMs', 0);
  end if;
  -- Of a uuid only the first half is a time: next to an odd bound the new one has to be the very same.
  select
    array_agg(r.lower) as lowers, array_agg(r.upper) as uppers,
    array_agg(r.from_bound) as from_bounds, array_agg(r.to_bound) as to_bounds
  into known
  from nightshift.read_partitions(case state.key_type when 'uuid'::regtype then array[policy.parent::oid] else '{}' end) r;
  select c.oid::regclass into model
  from pg_catalog.pg_class c
  where c.oid in (state.newest, state.default_partition) and c.relkind = 'r'
  order by c.oid = state.newest desc
  limit 1;

  -- Who writes or reads must not have looked up the partitions before rows change theirs: it would miss them.
  if state.default_partition is not null then
    perform nightshift.lock_for_change(policy.parent, state.default_partition);
  end if;
  locked_at := clock_timestamp();
  foreach piece in array todo.pieces loop
    exit when made <> '[]' and clock_timestamp() > locked_at + interval '1 second';
    made := made || (
      nightshift.create_partition(
        policy, state.key_column, lower(piece),
        coalesce(known.to_bounds[array_position(known.uppers, lower(piece))],
          nightshift.bound_of_time(lower(piece), state.key_type, policy.epoch)),
        coalesce(known.from_bounds[array_position(known.lowers, upper(piece))],
          nightshift.bound_of_time(upper(piece), state.key_type, policy.epoch)),
        model, state.default_partition
      )
      || jsonb_build_object('from', lower(piece) at time zone 'UTC', 'to', upper(piece) at time zone 'UTC')
    );
  end loop;
  perform set_config('lock_timeout', patience, true);
  return jsonb_build_object(
    'created', made,
    'done', todo.complete and cardinality(todo.pieces) = jsonb_array_length(made),
    'lockedMs', round(extract(epoch from clock_timestamp() - locked_at) * 1000)
  );
end;
$$;

comment on function nightshift.create_missing_partitions is
  'Makes the partitions of a table that its policy asks for and that are not there: the present interval, premake more, and gaps; and moves rows of a default partition to where they belong, at most about max_rows in one call (default 50,000). Harmless when repeated. For whoever owns the schema nightshift; jobs call create_partitions. Waits for locks as long as lock_timeout says, 2 s when that says for ever. Returns {created: [{partition, from, to, rows, warnings}], done, lockedMs}; not done: call it again. lockedMs: how long, in ms, the locks were held. Errors: NS404, NS422, 55P03 a lock was not to be had.';

revoke all on function
  nightshift.count_between, nightshift.partitions_wanted, nightshift.partitions_to_make, nightshift.lock_in_turn,
  nightshift.lock_for_change, nightshift.create_missing_partitions
from public, anon, authenticated;
