create or replace function nightshift.partitions_wanted(policy nightshift.partition_policies, state nightshift.partition_state)
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
  if state.default_partition is null then
    return query
    select tsrange(i.lower, i.upper), 0::bigint from nightshift.intervals_of(policy.every, state.missing) i;
    return;
  end if;
  if pg_relation_size(state.default_partition) > 0 then
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
