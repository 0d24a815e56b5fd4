create or replace function nightshift.partitions_to_make(
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
