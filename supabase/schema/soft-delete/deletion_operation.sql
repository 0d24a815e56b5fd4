create or replace function nightshift.deletion_operation(given uuid)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if given is null then
    return nightshift.start_operation();
  end if;
  -- The time of its rows is in its id: an old one would be purged early.
  if nightshift.operation_time(given) not between clock_timestamp() - interval '1 day' and clock_timestamp() then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not an operation of the last day', given),
      hint = 'Pass the operation that the first call returned, or leave it out to begin a new one.';
  end if;
  return given;
end;
$$;

comment on function nightshift.deletion_operation is
  'The operation to delete by: the one given, or a new one. Errors: NS422 it is not of the last day.';
