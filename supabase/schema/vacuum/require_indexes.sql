create or replace function nightshift.require_indexes(names text[])
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
    select from pg_catalog.pg_index x
    join pg_catalog.pg_class t on t.oid = x.indrelid
    where x.indexrelid = nightshift.find_relation(o) and t.relpersistence <> 't'
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no such index: %s', unknown),
      hint = 'Name indexes as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."Orders_pkey".';
  end if;
end;
$$;

comment on function nightshift.require_indexes is 'Raises NS404 for names, as SQL writes them, of which there is no index.';
