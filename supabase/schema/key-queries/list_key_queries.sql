create or replace function nightshift.list_key_queries()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('name', q.name, 'sql', q.sql, 'maxMs', q.max_ms, 'createdAt', q.created_at) order by q.name
  ), '[]')
  from nightshift.key_queries q;
$$;

comment on function nightshift.list_key_queries is
  'All key queries with their SQL, as one JSON array. For the owner of Nightshift; what anybody who may look at the health sees is in describe_key_queries.';
