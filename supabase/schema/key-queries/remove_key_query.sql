create or replace function nightshift.remove_key_query(name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  query constant nightshift.key_queries := nightshift.find_key_query(remove_key_query.name);
begin
  delete from nightshift.key_queries q where q.name = query.name;
  return jsonb_build_object('name', query.name, 'sql', query.sql, 'maxMs', query.max_ms);
end;
$$;

comment on function nightshift.remove_key_query is
  'Removes a key query with the times that were measured of it. For the owner of Nightshift. Returns what was removed. Errors: NS404.';
