-- Room ahead: which partitions are missing, and the transaction that makes them.
-- Why: made apart and attached, a partition costs its table a lock that neither readers nor writers meet; only rows that
--      change partition keep everyone waiting.
-- Locks: SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on tables that
--        its foreign keys refer to; with a default partition ACCESS EXCLUSIVE on both, for as long as rows move.

create or replace function nightshift.create_missing_partitions(
  parent regclass,
  as_of timestamptz default now(),
  max_rows bigint default 50000,
  max_lock interval default '1 second'
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set jit = off
as $$
declare
  patience constant text := current_setting('lock_timeout');
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  step_time interval := '0';
  chosen record;
  lowers timestamp[];
  uppers timestamp[];
  from_bounds text[];
  to_bounds text[];
  model regclass;
  piece tsrange;
  parent_name text;
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
  -- What Postgres reads when a partition is attached: nobody adds to it any more. A table that refers to it is not among that.
  parent_name := nightshift.trusted_name(policy.parent);
  state := nightshift.assess_partitions(array[policy.parent::oid], as_of);
  if state.default_partition is not null then
    -- Once for rows that move, once by Postgres for rows that ought to have.
    step_time := 2 * nightshift.scan_time_of(state.default_partition);
  end if;
  -- The other half of the time is for writing rows.
  chosen := nightshift.partitions_to_make(policy, state, max_rows, step_time <= max_lock / 2);
  if chosen.pieces = '{}' and chosen.complete then
    return jsonb_build_object('created', made, 'done', true, 'lockedMs', 0);
  end if;
  if chosen.pieces = '{}' then
    raise exception using
      errcode = 'NS423',
      message = format('Its default partition %s is so large that to make the missing partitions beside it would keep everyone waiting for about %s s each',
        state.default_partition::regclass, round(extract(epoch from step_time)::numeric, 1)),
      detail = 'It is read for each of them, with the table locked, for rows that belong into the new one. Nothing was changed.',
      hint = format('In a quiet hour, until it says done: set statement_timeout = 0; select nightshift.create_missing_partitions(%L, max_rows => 10000000, max_lock => ''1 hour'');',
        policy.parent);
  end if;
  if state.key_type = 'uuid'::regtype then
    -- Only the first half of it is a time: next to an odd bound the new one has to be the very same.
    select array_agg(r.lower), array_agg(r.upper), array_agg(r.from_bound), array_agg(r.to_bound)
    into lowers, uppers, from_bounds, to_bounds
    from nightshift.read_partitions(array[policy.parent::oid]) r;
  end if;
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
  foreach piece in array chosen.pieces loop
    exit when made <> '[]' and clock_timestamp() > locked_at + max_lock - case when chosen.is_proven then '0' else step_time end;
    made := made || (
      nightshift.create_partition(
        policy, parent_name, state.key_column, lower(piece),
        coalesce(to_bounds[array_position(uppers, lower(piece))],
          nightshift.bound_of_time(lower(piece), state.key_type, policy.epoch)),
        coalesce(from_bounds[array_position(lowers, upper(piece))],
          nightshift.bound_of_time(upper(piece), state.key_type, policy.epoch)),
        model, case when not chosen.is_proven then state.default_partition end
      )
      || jsonb_build_object('from', lower(piece) at time zone 'UTC', 'to', upper(piece) at time zone 'UTC')
    );
  end loop;
  if chosen.is_proven and cardinality(chosen.pieces) = jsonb_array_length(made) then
    perform nightshift.drop_exclusion(policy.parent);
  end if;
  perform set_config('lock_timeout', patience, true);
  return jsonb_build_object(
    'created', made,
    'done', chosen.complete and cardinality(chosen.pieces) = jsonb_array_length(made),
    'lockedMs', round(extract(epoch from clock_timestamp() - locked_at) * 1000)
  );
end;
$$;

comment on function nightshift.create_missing_partitions is
  'Makes the partitions of a table that its policy asks for and that are not there: the present interval, premake more, and gaps; and moves rows of a default partition to where they belong, at most about max_rows in one call (default 50,000): the future first, then the present, then gaps from new to old. Harmless when repeated. For whoever owns the schema nightshift; jobs call create_partitions. Waits for locks as long as lock_timeout says, 2 s when that says for ever. Returns {created: [{partition, from, to, rows, warnings}], done, lockedMs}; not done: call it again. lockedMs: how long, in ms, the locks were held. max_lock: about how long everyone may have to wait in one call where there is a default partition, default 1 second; half of it may pass with reading that partition. Errors: NS404, NS422, NS423 the default partition is too large for that, 55P03 a lock was not to be had.';
