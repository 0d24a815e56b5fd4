create or replace function nightshift.find_key_query(name text)
returns nightshift.key_queries
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  declared nightshift.key_queries;
begin
  select q.* into declared from nightshift.key_queries q where q.name = find_key_query.name;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no key query %s', coalesce(find_key_query.name, 'null')),
      hint = coalesce(
        (select 'Key queries are: ' || string_agg(q.name, ', ' order by q.name) || '.' from nightshift.key_queries q),
        'None is declared: nightshift.add_key_query declares one.'
      );
  end if;
  return declared;
end;
$$;

comment on function nightshift.find_key_query is 'The key query of a name. Errors: NS404, with those that there are.';
