create or replace function nightshift.column_definition_type(relation regclass, column_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format_type(a.atttypid, a.atttypmod)
    from pg_catalog.pg_attribute a
    where a.attrelid = column_definition_type.relation and a.attname = column_definition_type.column_name
      and a.attnum > 0 and not a.attisdropped
  );
end;
$$;

comment on function nightshift.column_definition_type is
  'The type of a column with its length or precision, to which a value is rounded when it is written: timestamp(3) without time zone.';
