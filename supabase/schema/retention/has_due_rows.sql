create or replace function nightshift.has_due_rows(leaf regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  found_rows bigint;
begin
  execute format(
    'select from only %s r where %s order by r.%I limit 1', nightshift.trusted_name(leaf), due, marker_column
  );
  get diagnostics found_rows = row_count;
  return found_rows > 0;
end;
$$;

comment on function nightshift.has_due_rows is
  'Whether a leaf has a due row, for one where marker_walk says index: its statistics may be of before the last purge, the index is not.';
