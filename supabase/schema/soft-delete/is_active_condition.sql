create or replace function nightshift.is_active_condition(settings nightshift.soft_delete_tables, condition text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select condition = any(case when settings.flag_column is null then array[format('(%I IS NULL)', settings.marker_column)]
    else array[format('(%I IS NOT TRUE)', settings.flag_column), format('(NOT %I)', settings.flag_column),
      format('(%I = false)', settings.flag_column)] end);
$$;

comment on function nightshift.is_active_condition is
  'Whether the condition of an index, as pg_get_expr writes it, is true of the rows that are not deleted, and of them alone.';
