create or replace function nightshift.scan_of(relation regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case c.relkind when 'p' then '' else 'only ' end || scan_of.relation::text
  from pg_catalog.pg_class c
  where c.oid = scan_of.relation;
$$;

comment on function nightshift.scan_of is
  'How to name a table after FROM: with its partitions, and without tables that merely inherit from it.';
