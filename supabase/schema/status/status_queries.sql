create or replace function nightshift.status_queries(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Offset 0: else they would be described twice.
  select jsonb_build_object('items', d.document, 'total', jsonb_array_length(d.document))
  from (select nightshift.describe_key_queries(status_queries.as_of) offset 0) d(document);
$$;

comment on function nightshift.status_queries is
  'The section of the snapshot about key queries: what describe_key_queries says.';
