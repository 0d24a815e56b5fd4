create or replace function nightshift.only_needed(step jsonb)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(
      not only_needed.step ? 'error'
        and (only_needed.step ->> 'rowsLeft')::bigint > 0
        and (only_needed.step ->> 'rowsLeft')::bigint = (only_needed.step ->> 'rowsBlocked')::bigint,
      false
    )
  );
end;
$$;

comment on function nightshift.only_needed is
  'Whether, by the report of a purge, all rows that it left of a table are still needed by rows that stay.';
