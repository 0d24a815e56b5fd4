create or replace function nightshift.status_trends(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Offset 0: else it would be described anew for each word about it.
  select d.document - 'tables' || jsonb_build_object('items', d.document -> 'tables', 'total', jsonb_array_length(d.document -> 'tables'))
  from (select nightshift.describe_trends(status_trends.as_of) offset 0) d(document);
$$;

comment on function nightshift.status_trends is
  'The section of the snapshot about trends: what describe_trends says, with its tables as items.';
