create or replace function nightshift.hint_for_marker(relation regclass, drop_after interval, marker_column name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  marker_type regtype := nightshift.column_type(relation, marker_column);
  made name := left(marker_column, 55) || '_time';
  times text;
  touched name;
begin
  select
    string_agg(quote_ident(a.attname), ', ' order by a.attnum),
    min(a.attname::text) filter (where a.attname ~* 'updat|modif|chang')
  into times, touched
  from pg_catalog.pg_attribute a
  where a.attrelid = hint_for_marker.relation and a.attnum > 0 and not a.attisdropped
    and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype);

  return case
    when marker_type is null then concat_ws(' ',
      case
        when times is not null then format('Name a date or time column of the table in marker_column: %s.', times)
        when exists (select 1 from pg_catalog.pg_class c where c.oid = hint_for_marker.relation) then
          'The table has no date or time column. If its rows go with those of another table, name it in with_children of that policy.'
      end,
      case when exists (select 1 from nightshift.retention_policies p where p.relation = hint_for_marker.relation) then
        'If the table or column was dropped or renamed, call nightshift.remove_retention_policy and declare the policy anew.'
      end)
    when marker_type = 'boolean'::regtype and touched is not null then format(
      'select nightshift.add_retention_policy(%1$L, %2$L, marker_column => %3$L, flag_column => %4$L); /* where %3$I moves when %4$I is set */',
      relation, drop_after, touched, marker_column)
    when marker_type = 'boolean'::regtype then format(
      'alter table %s add column deleted_at timestamptz; /* to be set together with %I, which has no time */', relation, marker_column)
    when marker_type in (
        'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'real'::regtype, 'double precision'::regtype
      ) then format(
      'alter table %1$s add column %2$I timestamptz generated always as (to_timestamp(nullif(%3$I, 0))) stored; '
      || '/* for milliseconds: to_timestamp(nullif(%3$I, 0) / 1000.0); rewrites the table */ create index on %1$s (%2$I); '
      || 'select nightshift.add_retention_policy(%4$L, %5$L, marker_column => %6$L);',
      relation, made, marker_column, relation, drop_after, made)
    when marker_type in ('text'::regtype, 'varchar'::regtype, 'character'::regtype) then format(
      'alter table %1$s alter column %2$I type timestamptz using %2$I::timestamptz; /* rewrites the table */', relation, marker_column)
    else 'marker_column names a column of type date, timestamp or timestamptz' || coalesce(': ' || times, '') || '.'
  end;
end;
$$;

comment on function nightshift.hint_for_marker is
  'What to do where a column cannot be the marker of a policy: for a flag, a number, a text and a column that is not there.';
