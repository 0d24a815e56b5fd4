create or replace function nightshift.only_kept(step jsonb)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(
      not only_kept.step ? 'error' and (only_kept.step ->> 'rowsLeft')::bigint = 0 and (only_kept.step ->> 'rowsKept')::bigint > 0,
      false
    )
  );
end;
$$;

comment on function nightshift.only_kept is
  'Whether, by the report of a purge, all due rows that are still there of a table are kept as its policy says.';
