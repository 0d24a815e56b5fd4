create or replace function nightshift.alter_key_query(name text, sql text default null, max_ms numeric default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  query nightshift.key_queries := nightshift.find_key_query(alter_key_query.name);
begin
  query.sql := coalesce(alter_key_query.sql, query.sql);
  query.max_ms := coalesce(alter_key_query.max_ms, query.max_ms);
  query := nightshift.check_key_query(query);
  update nightshift.key_queries q set sql = query.sql, max_ms = query.max_ms where q.name = query.name;
  if alter_key_query.sql is not null then
    delete from nightshift.key_query_times t where t.query = query.name;
  end if;
  return nightshift.describe_declared_query(query);
end;
$$;

comment on function nightshift.alter_key_query is
  'Changes what is given of a key query (null leaves it as it is). With sql, even the same, what is usual is learned anew: times that were measured before are forgotten. For the owner of Nightshift. Returns the query. Errors: NS404, NS422.';
