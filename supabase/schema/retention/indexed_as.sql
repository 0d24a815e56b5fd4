create or replace function nightshift.indexed_as(relation regclass, column_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Postgres makes no index on a virtual generated column, but uses one on its expression.
  return coalesce((
    select format('(%s)', pg_get_expr(d.adbin, d.adrelid))
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = relation and a.attname = column_name and a.attgenerated = 'v'
  ), quote_ident(column_name));
end;
$$;

comment on function nightshift.indexed_as is
  'What to create an index on so that it serves a column: the column, or the expression of one that is generated and not stored.';
