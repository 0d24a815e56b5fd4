-- Declares a query that is run every night with the rights of the owner. So it takes SQL, and nobody may call it over the API.

create or replace function nightshift.add_key_query(name text, sql text, max_ms numeric)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  query nightshift.key_queries;
begin
  query.name := add_key_query.name;
  query.sql := add_key_query.sql;
  query.max_ms := add_key_query.max_ms;
  query.created_at := now();
  query := nightshift.check_key_query(query);
  insert into nightshift.key_queries select query.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('There is a key query %s already', query.name),
      hint = 'Change it with nightshift.alter_key_query, or remove it first with nightshift.remove_key_query.';
  end if;
  return nightshift.describe_declared_query(query);
end;
$$;

comment on function nightshift.add_key_query is
  'Declares a query whose time is watched: the full health check runs it a few times. name: of lower-case letters, digits and underscores. sql: one SELECT that only reads, without parameters, each name with its schema. max_ms: from how many milliseconds on it is too slow, at most 3,000. For the owner of Nightshift. Returns the query with its plan as of now. Errors: NS422, with a hint that says the fix.';
