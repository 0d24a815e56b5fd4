create or replace function nightshift.start_operation(at timestamptz default clock_timestamp())
returns uuid
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  -- Version 7: 48 bits of time in milliseconds, and the rest by chance.
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) placing
        substring(int8send(floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
$$;

comment on function nightshift.start_operation is
  'The id of a new operation: a uuid of version 7, whose time, in whole milliseconds, is the deleted_at of all its rows (see operation_time). at: default now.';
