create or replace function nightshift.partitions_to_make(
  policy nightshift.partition_policies,
  state nightshift.partition_state,
  max_rows bigint,
  may_scan boolean,
  out pieces tsrange[],
  out complete boolean,
  out is_proven boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  exclusion record;
  grain interval;
  wanted record;
begin
  is_proven := false;
  if not may_scan then
    -- What Postgres need not read the default partition for.
    exclusion := nightshift.exclusion_of(policy.parent);
    select coalesce(array_agg(i.piece order by i.piece) filter (
      where exclusion.is_proven and exclusion.default_partition = state.default_partition and i.piece <@ exclusion.period
    ), '{}') into pieces
    from (select tsrange(m.lower, m.upper) as piece from nightshift.intervals_of(policy.every, state.missing) m) i;
    is_proven := pieces <> '{}';
    complete := not is_proven and isempty(state.missing)
      and not exists (select from nightshift.partitions_wanted(policy, state));
    return;
  end if;

  -- With rows or without them: a row that cannot move keeps no room ahead from being made.
  select
    array_agg(p.piece order by p.turn) as ordered,
    array_agg(p.piece order by p.turn) filter (where p.total <= max_rows and p.filled in (0, p.turn)) as few
  into wanted
  from (
    select t.piece, t.turn, sum(t.row_count) over (order by t.turn) as total,
      count(*) filter (where t.row_count > 0) over (order by t.turn) as filled
    from (
      -- The future, the present, then the past from new to old.
      select w.piece, w.row_count, row_number() over (
        order by upper(w.piece) <= state.begun, lower(w.piece) < state.begun + policy.every,
          abs(extract(epoch from lower(w.piece) - state.begun))
      ) as turn
      from nightshift.partitions_wanted(policy, state) w
    ) t
  ) p;
  pieces := coalesce(wanted.few, '{}');
  complete := cardinality(pieces) = coalesce(cardinality(wanted.ordered), 0);
  if pieces = '{}' and wanted.ordered is not null then
    -- Too many for one partition at a time: as much of it as max_rows allows, from an hour (or a day) upwards.
    grain := case when state.key_type = 'date'::regtype then '1 day' else '1 hour' end;
    select array[tsrange(lower(wanted.ordered[1]), coalesce(max(c.upper) filter (where c.total <= max_rows), min(c.upper), upper(wanted.ordered[1])))]
    into pieces
    from (
      select n.upper, sum(n.row_count) over (order by n.lower) as total
      from nightshift.count_between(policy, state.default_partition, array(
        select s.at from generate_series(lower(wanted.ordered[1]), upper(wanted.ordered[1]) - grain, grain) s(at)
        union all
        select upper(wanted.ordered[1])
      )) n
    ) c;
    complete := pieces = wanted.ordered;
  end if;
end;
$$;

comment on function nightshift.partitions_to_make is
  'The periods of the partitions that one transaction makes, in turn: those of the future, of the present, then gaps from new to old, with up to max_rows rows of a default partition in all; an interval that holds more than that is made in parts. Unless the default partition may be read under the lock (may_scan), only those that Postgres need not read it for (is_proven). complete: nothing remains after them.';
