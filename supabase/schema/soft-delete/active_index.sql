create or replace function nightshift.active_index(settings nightshift.soft_delete_tables, columns text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select i.indexrelid::regclass
  from pg_catalog.pg_index i
  where i.indrelid = settings.relation and i.indisvalid and i.indexprs is null
    and nightshift.is_active_condition(settings, pg_get_expr(i.indpred, i.indrelid))
    and columns = (
      select string_agg(quote_ident(a.attname), ', ' order by u.position)
      from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality u(attnum, position)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
    )
  order by i.indisunique, i.indexrelid
  limit 1;
$$;

comment on function nightshift.active_index is
  'The index of the rows of a table that are not deleted by these columns (as columns_named gives them), or null when there is none.';
