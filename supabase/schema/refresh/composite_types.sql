create or replace function nightshift.composite_types()
returns oid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(select c.oid from pg_catalog.pg_class c where c.relkind = 'c' order by c.oid);
end;
$$;

comment on function nightshift.composite_types is
  'The relations of all composite types. To find them, all of pg_class is read.';
