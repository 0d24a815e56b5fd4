create or replace function nightshift.require_tables(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where not exists (
    select from pg_catalog.pg_class c where c.oid = nightshift.find_relation(o) and c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't'
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no such table: %s', unknown),
      hint = 'Name tables and materialized views as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."Orders".';
  end if;
end;
$$;

comment on function nightshift.require_tables is 'Raises NS404 for names, as SQL writes them, of which there is no table or materialized view.';
