create or replace function nightshift.hint_for_flag(relation regclass, flag_column name)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when nightshift.column_type(hint_for_flag.relation, flag_column) is null then coalesce(
      (
        select format('Name a boolean column of the table in flag_column, which is true for rows that may go: %s; or leave it out.',
          string_agg(quote_ident(a.attname), ', ' order by a.attnum))
        from pg_catalog.pg_attribute a
        where a.attrelid = hint_for_flag.relation and a.attnum > 0 and not a.attisdropped and a.atttypid = 'boolean'::regtype
        having count(*) > 0
      ),
      'The table has no boolean column: leave flag_column out.'
    )
    else format(
      'alter table %1$s add column may_go boolean generated always as (%2$I = ''...'') stored; /* the condition under which a row may go; rewrites the table */',
      hint_for_flag.relation, flag_column)
  end;
$$;

comment on function nightshift.hint_for_flag is
  'What to do where a column cannot be the flag of a policy: a generated column makes one of any condition on the row.';
