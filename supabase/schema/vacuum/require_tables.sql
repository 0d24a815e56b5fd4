create or replace function nightshift.require_tables(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
  retired text;
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
  select string_agg(o, ', ') into retired
  from unnest(names) o
  join pg_catalog.pg_class c on c.oid = nightshift.find_relation(o) and not c.relispartition
  where c.oid in (select r.partition from nightshift.retired_partitions r where r.status = 'detached');
  if retired is not null then
    raise exception using
      errcode = 'NS422',
      message = format('Retired, and not vacuumed any more: %s', retired),
      detail = 'What was retired is read no more, and goes as a whole.',
      hint = 'Leave it out, or vacuum it by hand over a direct connection.';
  end if;
end;
$$;

comment on function nightshift.require_tables is 'Raises NS404 for names, as SQL writes them, of which there is no table or materialized view; NS422 for partitions that were retired.';
