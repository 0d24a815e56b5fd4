create or replace function nightshift.find_relation(name text)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return to_regclass(name);
exception
  when invalid_name or syntax_error or feature_not_supported then
    return null;
end;
$$;

comment on function nightshift.find_relation is
  'The table of a name as SQL writes it, schema included, or null, also where the name is malformed or names another database.';
