create or replace function nightshift.stamp_retired(policy nightshift.partition_policies, partition regclass, run_id uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  record nightshift.retired_partitions;
  key record;
begin
  update nightshift.retired_partitions d
  set
    status = 'detached',
    retired_at = clock_timestamp(),
    drop_after = case policy.retire when 'drop' then clock_timestamp() + policy.grace end,
    run_id = stamp_retired.run_id
  where d.partition = stamp_retired.partition and d.status = 'detaching'
  returning d.* into record;
  -- Not of the policy, which may have been removed meanwhile.
  key := nightshift.partition_key(record.parent);
  -- On its own it is a table like any other: out of the reach of the API, and not for rows of another time.
  perform nightshift.secure_partition(partition);
  perform nightshift.drop_inherited_keys(record.parent, partition);
  execute format(
    'alter table %s add constraint nightshift_retired check (%s) not valid', nightshift.trusted_name(partition),
    concat_ws(' and ',
      format('%I is not null', key.column_name),
      case when record.from_bound <> 'MINVALUE' then format('%I >= %s', key.column_name, record.from_bound) end,
      format('%I < %s', key.column_name, record.to_bound))
  );
  perform nightshift.note_partitions(stamp_retired.run_id, 'retired', jsonb_build_object(record.parent::text,
    jsonb_build_array(nightshift.describe_retired(record))));
  return nightshift.describe_retired(record);
end;
$$;

comment on function nightshift.stamp_retired is
  'Writes down that a partition is detached and when it may be dropped, takes it out of the reach of the API, takes off the foreign keys of its table, and marks it with the constraint nightshift_retired, which keeps rows of another time out. Without a policy, by then removed, it is kept. Returns describe_retired.';
