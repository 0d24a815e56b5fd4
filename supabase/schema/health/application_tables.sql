create or replace function nightshift.application_tables()
returns setof oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select c.oid
  from pg_catalog.pg_class c
  where c.relkind in ('r', 'p', 'm', 't') and c.relpersistence <> 't'
    and c.relowner in (select o from nightshift.application_owners() o)
    and not exists (
      select 1 from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    and (c.relispartition or c.oid not in (
      select r.partition from nightshift.retired_partitions r where r.status = 'detached'
    ));
end;
$$;

comment on function nightshift.application_tables is
  'The tables, materialized views and TOAST tables that advice is given on: those of application_owners, not temporary, not of an extension, and no partitions that were retired, which nobody writes to and which go as a whole.';
