create or replace function nightshift.find_view(name text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select c.oid::regclass
  from pg_catalog.pg_class c
  where c.oid = nightshift.find_relation(find_view.name) and c.relkind = 'm';
$$;

comment on function nightshift.find_view is
  'The materialized view of a name as SQL writes it, with its schema unless that is public, or null.';
