create or replace function nightshift.operation_time(operation uuid)
returns timestamptz
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select timestamptz '1970-01-01 00:00:00+00'
    + ('x' || left(replace(operation::text, '-', ''), 12))::bit(48)::bigint * interval '1 millisecond';
$$;

comment on function nightshift.operation_time is 'When an operation began: the deleted_at of its rows. From its id alone, see start_operation.';
