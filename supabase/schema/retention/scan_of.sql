create or replace function nightshift.scan_of(relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case (select c.relkind from pg_catalog.pg_class c where c.oid = relation) when 'p' then '' else 'only ' end
    || nightshift.trusted_name(relation);
end;
$$;

comment on function nightshift.scan_of is
  'How to name a table after FROM: with its partitions, and without tables that merely inherit from it. Errors: NS404, NS422 (see trusted_name).';
