create or replace function nightshift.count_movable_rows(policy nightshift.partition_policies, as_of timestamptz)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  state constant nightshift.partition_state := nightshift.assess_partitions(array[policy.parent::oid], as_of);
begin
  if state.default_partition is null or nightshift.is_large(state.default_partition) then
    return null;
  end if;
  return (select coalesce(sum(w.row_count), 0) from nightshift.partitions_wanted(policy, state) w);
exception
  -- A list of policies is there to be read, whatever is wrong with one of their tables.
  when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege then
    return null;
end;
$$;

comment on function nightshift.count_movable_rows is
  'How many rows a run would move out of the default partition of a table; null without one, and where that would take long or cannot be known.';
