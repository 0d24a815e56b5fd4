create or replace function nightshift.columns_named(relation regclass, names text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  parts constant text[] := nightshift.listed_names(names);
  columns text[] := array(
    select quote_ident(a.attname)
    from unnest(parts) with ordinality p(name, position)
    join pg_catalog.pg_attribute a on a.attrelid = columns_named.relation and a.attnum > 0 and not a.attisdropped
      and p.name in (a.attname, quote_ident(a.attname), format('"%s"', replace(a.attname, '"', '""')))
    order by p.position
  );
begin
  if cardinality(columns) <> cardinality(parts) or names is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s are not columns of %s', coalesce(quote_literal(names), 'null'), relation),
      hint = 'Name them as in ''tenant_id, sku''.';
  end if;
  return array_to_string(columns, ', ');
end;
$$;

comment on function nightshift.columns_named is
  'Columns of a table, given as a list with commas, as SQL writes them. Errors: NS422 one of them is not there.';
