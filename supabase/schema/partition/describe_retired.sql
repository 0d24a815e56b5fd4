create or replace function nightshift.describe_retired(record nightshift.retired_partitions)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select jsonb_build_object(
    'partition', record.partition_name,
    'from', nullif(lower(record.period), '-infinity') at time zone 'UTC',
    'to', upper(record.period) at time zone 'UTC',
    'sizeBytes', record.size_bytes,
    'dropAfter', record.drop_after
  );
$$;

comment on function nightshift.describe_retired is
  'The JSON document of a retired partition: {partition, from, to, sizeBytes, dropAfter}.';
