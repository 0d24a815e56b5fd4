create or replace function nightshift.is_set_by_default(relation regclass, column_name name)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce((
      -- What says "not deleted" as a default is null, or a time that never is.
      select a.attgenerated = '' and pg_get_expr(d.adbin, d.adrelid) !~* '^\(*(null\M|''-?infinity'')'
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = is_set_by_default.relation and a.attname = is_set_by_default.column_name
    ), false)
  );
end;
$$;

comment on function nightshift.is_set_by_default is
  'Whether a new row has a time in this column by its default, as created_at mostly has.';
