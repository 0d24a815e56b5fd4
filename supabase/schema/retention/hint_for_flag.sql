create or replace function nightshift.hint_for_flag(relation regclass, flag_column name)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when nightshift.column_type(hint_for_flag.relation, flag_column) is null
      then 'flag_column names a boolean column that is true for rows that may go; leave it out if there is none.'
    else format(
      'alter table %1$s add column may_go boolean generated always as (%2$I = ''...'') stored; /* the condition under which a row may go; rewrites the table */',
      hint_for_flag.relation, flag_column)
  end;
$$;

comment on function nightshift.hint_for_flag is
  'What to do where a column cannot be the flag of a policy: a generated column makes one of any condition on the row.';
