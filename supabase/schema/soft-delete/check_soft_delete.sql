create or replace function nightshift.check_soft_delete(settings nightshift.soft_delete_tables)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_table record;
  wrong text;
  fix text;
begin
  select c.relkind, c.relrowsecurity, c.relispartition, n.nspname into found_table
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = settings.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name an existing table, with its schema: nightshift.enable_soft_delete(''public.orders'').';
  end if;
  if found_table.relkind not in ('r', 'p') or found_table.relispartition
    or found_table.nspname in ('pg_catalog', 'information_schema', 'nightshift', 'supabase_migrations') or found_table.nspname like 'pg\_t%'
    or nightshift.advice_for_supabase_table(settings.relation) is not null
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s is no table of the application', settings.relation),
      hint = coalesce(nightshift.advice_for_supabase_table(settings.relation),
        'Name the table that holds the rows; of a partitioned table, that is the table itself.');
  end if;
  perform nightshift.require_trusted(array[settings.relation::oid]);
  perform nightshift.require_own_rows(settings.relation);

  select w.wrong, w.fix into wrong, fix
  from (
    select 1, format('%s has no primary key', settings.relation), 'Rows are named by it: add one.'
    where not exists (select from nightshift.key_of(settings.relation))
    union all
    select 2, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype),
      'When a row was deleted is a timestamptz, a timestamp or a date: name that column with marker_column.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.marker_column and not a.attisdropped
      and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
    union all
    select 3, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype), 'A flag is a boolean.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.flag_column and not a.attisdropped and a.atttypid <> 'boolean'::regtype
    union all
    select 4, format('%s has no column %I', settings.relation, settings.flag_column), 'Name the boolean that is true in deleted rows, or leave flag_column out.'
    where settings.flag_column is not null and nightshift.column_type(settings.relation, settings.flag_column) is null
    union all
    select 5, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype),
      'Name a column of another type, or one that is not there yet: it is added. Who deleted is text, varchar or uuid, why is text or varchar, and the operation a uuid.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and not a.attisdropped
      and (
        a.attname = settings.by_column and a.atttypid not in ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype)
        or a.attname = settings.reason_column and a.atttypid not in ('text'::regtype, 'varchar'::regtype)
        or a.attname = settings.operation_column and a.atttypid <> 'uuid'::regtype
      )
    union all
    select 5, format('%I of %s is too short for the id of a user', a.attname, settings.relation),
      format('alter table %s alter column %I type text;', settings.relation, a.attname)
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.by_column and not a.attisdropped
      and a.atttypid = 'varchar'::regtype and a.atttypmod between 0 and 39
    union all
    select 6, format('%I of %s cannot be null, is generated, or is set when a row is written', a.attname, settings.relation),
      'It must be null in rows that are not deleted: name another column, or let it be added.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and not a.attisdropped
      and (
        a.attname in (settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column)
          and (a.attnotnull or a.attgenerated <> '' or nightshift.is_set_by_default(settings.relation, a.attname))
        or a.attname = settings.flag_column and a.attgenerated <> ''
      )
    union all
    select 7, format('Row level security is off for %s, so a policy would hide nothing', settings.relation),
      format('alter table %s enable row level security; /* with policies that say who sees which rows */', settings.relation)
    where settings.hide and not found_table.relrowsecurity
    union all
    select 8, format('%s has a retention policy by another column', settings.relation),
      format('Name that of the policy: marker_column => %L, flag_column => %L.', p.marker_column, p.flag_column)
    from nightshift.retention_policies p
    where p.relation = settings.relation
      and (p.marker_column, p.flag_column) is distinct from (settings.marker_column, settings.flag_column)
      and exists (select from nightshift.soft_delete_policies() s where s.relation = p.relation)
  ) w(position, wrong, fix)
  order by w.position
  limit 1;
  if found then
    raise exception using errcode = 'NS422', message = wrong, hint = fix;
  end if;
end;
$$;

comment on function nightshift.check_soft_delete is
  'Raises NS404 or NS422, with the fix in the hint, unless rows of a table can be marked as deleted as its settings say.';
