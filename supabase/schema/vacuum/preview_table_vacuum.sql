create or replace function nightshift.preview_table_vacuum(as_of timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
set jit = off
as $$
  select nightshift.tables_to_vacuum(null, preview_table_vacuum.as_of);
$$;

comment on function nightshift.preview_table_vacuum is
  'What the next run of table-vacuum would vacuum, and why, as one JSON array: see describe_vacuum_state.';
