create or replace function nightshift.find_relation(name text)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A name without a schema is one of public, as in the search path that Supabase gives to everyone.
  return coalesce(to_regclass(name), to_regclass('public.' || name));
exception
  when invalid_name or syntax_error or feature_not_supported then
    return null;
end;
$$;

comment on function nightshift.find_relation is
  'The table of a name as SQL writes it, with its schema unless that is public, or null, also where the name is malformed or names another database.';
