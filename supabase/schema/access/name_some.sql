create or replace function nightshift.name_some(relations oid[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(n.relation::regclass::text, ', ' order by n.position)
    || case when cardinality(name_some.relations) > 3 then format(' and %s more', cardinality(name_some.relations) - 3) else '' end
  from unnest(name_some.relations[1:3]) with ordinality n(relation, position);
$$;

comment on function nightshift.name_some is 'The names of the first three relations, and how many more there are.';
