create or replace function nightshift.listed_names(list text)
returns text[]
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A comma in quotes belongs to a name. A quote that is not closed is one of a name that should have been in quotes.
  return array(
    select btrim(m.found[1]) from regexp_matches(list || ',', '((?:[^",]|"(?:[^"]|"")*(?:"|(?=,$)))*),', 'g') with ordinality m(found, place)
    order by m.place
  );
end;
$$;

comment on function nightshift.listed_names is 'The names in a list with commas, each as it is written there, with its quotes.';
