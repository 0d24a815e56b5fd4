create or replace function nightshift.column_type(relation regclass, column_name name)
returns regtype
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select a.atttypid::regtype
    from pg_catalog.pg_attribute a
    where a.attrelid = column_type.relation
      and a.attname = column_type.column_name
      and a.attnum > 0
      and not a.attisdropped
  );
end;
$$;

comment on function nightshift.column_type is 'The type of a live column, or null when there is no such column.';
