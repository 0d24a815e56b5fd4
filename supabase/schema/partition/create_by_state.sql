create or replace function nightshift.create_by_state(
  policy nightshift.partition_policies,
  state nightshift.partition_state,
  max_rows bigint,
  max_lock interval
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  -- What Postgres reads when a partition is attached: with the table locked, nobody adds to it any more.
  parent_name constant text := nightshift.trusted_name(policy.parent);
  step_time interval := '0';
  chosen record;
  lowers timestamp[];
  uppers timestamp[];
  from_bounds text[];
  to_bounds text[];
  model regclass;
  piece tsrange;
  locked_at timestamptz;
  made jsonb := '[]';
begin
  -- It locks what refers to the table, too; what refers to a single partition has no part in it.
  perform nightshift.require_trusted_referrers(array[policy.parent::oid]);
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
  return jsonb_build_object(
    'created', made,
    'done', chosen.complete and cardinality(chosen.pieces) = jsonb_array_length(made),
    'lockedMs', round(extract(epoch from clock_timestamp() - locked_at) * 1000)
  );
end;
$$;

comment on function nightshift.create_by_state is
  'Makes the missing partitions of a table that lock_for_creation has locked, by what assess_partitions says of it since. Returns what create_missing_partitions does. Errors: NS422, NS423, 55P03.';
