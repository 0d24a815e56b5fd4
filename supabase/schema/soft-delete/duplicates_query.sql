create or replace function nightshift.duplicates_query(settings nightshift.soft_delete_tables, unique_among_active text[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(
    format('select %1$s, count(*) from %2$s where num_nulls(%1$s) = 0%3$s group by %1$s having count(*) > 1;',
      nightshift.columns_named(settings.relation, u.columns), settings.relation,
      case
        when settings.flag_column is not null then format(' and %I is not true', settings.flag_column)
        -- Without the column that would have been added, no row is deleted yet.
        when nightshift.column_type(settings.relation, settings.marker_column) is null then ''
        else format(' and %I is null', settings.marker_column)
      end),
    ' ' order by u.position)
  from unnest(unique_among_active) with ordinality u(columns, position);
$$;

comment on function nightshift.duplicates_query is 'The queries that find active rows with the same values.';
