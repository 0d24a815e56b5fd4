create or replace function nightshift.measure_default_partition(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set row_security = off
set timezone = 'UTC'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  total bigint := 0;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(table_name);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  if state.default_partition is null then
    return null;
  end if;
  if pg_relation_size(state.default_partition) > 0 then
    execute format('select count(*) from only %s', nightshift.trusted_name(state.default_partition)) into total;
  end if;
  return (
    select jsonb_build_object(
      'partition', state.default_partition::regclass::text,
      'rows', total,
      'movableRows', least(coalesce(sum(w.row_count), 0), total),
      'wanted', coalesce(jsonb_agg(jsonb_build_object(
        'from', lower(w.piece) at time zone 'UTC', 'to', upper(w.piece) at time zone 'UTC', 'rows', w.row_count
      ) order by w.piece), '[]')
    )
    from nightshift.partitions_wanted(policy, state) w
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_default_partition is
  'The rows in the default partition of a table: {partition, rows, movableRows, wanted: [{from, to, rows}]}; null when there is none. movableRows have a place that a run makes for them (wanted: with that, all the partitions it makes); the others lie beyond the horizon (a clock was wrong?), more than 1,000 intervals back, in the time of a retired partition, or have no time at all. statement_timeout 8 s. Errors: NS409, 57014 too large to count.';
