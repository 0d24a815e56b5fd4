-- What a table lacks to be soft-deleted as declared: the same list is carried out by enable_soft_delete and shown by inspect_soft_delete.

create or replace function nightshift.soft_delete_steps(settings nightshift.soft_delete_tables, unique_among_active text[])
returns setof nightshift.ddl_step
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant regclass := settings.relation;
  source constant text := nightshift.trusted_name(settings.relation);
  large constant boolean := nightshift.is_large(settings.relation);
  partitioned constant boolean := (select c.relkind = 'p' from pg_catalog.pg_class c where c.oid = settings.relation);
  -- Of a partitioned table Postgres builds none concurrently, but not in the transaction that holds it for its columns either.
  online constant boolean := large and not partitioned;
  deleted constant text := case when settings.flag_column is null then format('%I is not null', settings.marker_column)
    else quote_ident(settings.flag_column) end;
  active constant text := case when settings.flag_column is null then format('%I is null', settings.marker_column)
    else format('%I is not true', settings.flag_column) end;
  arguments constant text := format('%L, %L, %L, %L, %L', settings.marker_column, coalesce(settings.flag_column, ''), settings.by_column,
    settings.reason_column, settings.operation_column)
    || case when nightshift.column_type(settings.relation, settings.by_column) = 'uuid'::regtype then ', ''uuid''' else '' end;
  step nightshift.ddl_step;
  trigger record;
  kind text;
  taken_over boolean;
  columns text;
begin
  step.outside_transaction := false;
  step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
  select format('alter table %s %s;', source, string_agg(format('add column %I %s', c.name, c.type), ', ' order by c.position)),
    format('Columns for when, by whom, why and in which operation a row was deleted. No row is rewritten.')
  into step.statement, step.why
  from (values
    (1, settings.marker_column, 'timestamptz'), (2, settings.by_column, 'text'), (3, settings.reason_column, 'text'),
    (4, settings.operation_column, 'uuid')
  ) c(position, name, type)
  where nightshift.column_type(relation, c.name) is null
  having count(*) > 0;
  if found then
    return next step;
  end if;

  if not exists (
    select from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = relation and i.indisvalid and a.attname = settings.marker_column
  ) then
    step.outside_transaction := large;
    step.lock := case when online then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
    step.statement := format('create index %son %s (%I, %s) where %s;', case when online then 'concurrently ' else '' end, source,
      settings.marker_column, (select string_agg(quote_ident(k.name), ', ' order by k.position) from nightshift.key_of(relation) k), deleted);
    step.why := 'Finds deleted rows: for the purge, for restores of an operation, and page by page.';
    return next step;
  end if;

  step.outside_transaction := false;
  step.lock := 'SHARE ROW EXCLUSIVE for a moment';
  for trigger in
    select t.*
    from (values
      ('zz_nightshift_delete', 'delete', format(
        'before update on %1$s for each row when (%2$s and (new.%3$I is null or new.%3$I::text is distinct from current_setting(''nightshift.operation'', true)))',
        source, case when settings.flag_column is null then format('old.%1$I is null and new.%1$I is not null', settings.marker_column)
          -- Rows that the flag marked before may have no time. They take one once, and no other update is for them to come back.
          else format('(old.%1$I is not true and new.%1$I or (old.%1$I is not true or new.%1$I) and old.%2$I is null and new.%2$I is not null)',
            settings.flag_column, settings.marker_column) end,
        settings.operation_column)),
      ('zz_nightshift_delete_again', 'again', format(
        'before update on %1$s for each row when (%2$s and (old.%3$I, old.%4$I, old.%5$I, old.%6$I) is distinct from (new.%3$I, new.%4$I, new.%5$I, new.%6$I))',
        source, case when settings.flag_column is null then format('old.%1$I is not null and new.%1$I is not null', settings.marker_column)
          else format('old.%1$I and new.%1$I and (old.%2$I is null) = (new.%2$I is null)', settings.flag_column, settings.marker_column) end,
        settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column)),
      ('zz_nightshift_restore', 'restore', format(
        'before update on %1$s for each row when (%2$s and num_nonnulls(%3$s) > 0)',
        source, case when settings.flag_column is null then format('old.%1$I is not null and new.%1$I is null', settings.marker_column)
          else format('old.%1$I and (new.%1$I is not true or old.%2$I is not null and new.%2$I is null)', settings.flag_column, settings.marker_column) end,
        format('new.%I, new.%I, new.%I, new.%I%s', settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column,
          case when settings.flag_column is null then '' else format(', nullif(new.%I, false)', settings.flag_column) end))),
      ('zz_nightshift_insert', null, format(
        'after insert on %s for each row when (%s and num_nonnulls(new.%I, new.%I) > 0)', source,
        case when settings.flag_column is null then format('new.%I is not null', settings.marker_column)
          else format('(new.%I or new.%I is not null)', settings.flag_column, settings.marker_column) end,
        settings.by_column, settings.operation_column)),
      ('zz_nightshift_record', null, format(
        'after update on %s referencing old table as before new table as after for each statement', source))
    ) t(name, action, definition)
    where not exists (
      select from pg_catalog.pg_trigger g
      join pg_catalog.pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'nightshift'::regnamespace
      where g.tgrelid = relation and g.tgname = t.name and g.tgenabled = 'O'
    )
  loop
    step.statement := format('create or replace trigger %I %s execute function nightshift.%s;', trigger.name, trigger.definition,
      case trigger.name when 'zz_nightshift_record' then format('record_deletions(%s)', arguments)
        when 'zz_nightshift_insert' then format('guard_insert(%L, %L)', settings.by_column, settings.operation_column)
        else format('mark_deletion(%L, %s)', trigger.action, arguments) end);
    step.why := case trigger.action
      when 'delete' then 'The time and the user of a deletion by a plain update are the server''s.'
      when 'again' then 'A row that is deleted keeps the time and the user of its first deletion.'
      when 'restore' then 'A row that comes back by a plain update carries nothing of its deletion.'
      else case trigger.name when 'zz_nightshift_insert' then 'No user inserts a row as deleted by another.'
        else 'Writes the history of deletions and restores, whoever does them.' end end;
    return next step;
  end loop;

  if settings.views then
    step.lock := 'none on the table';
    foreach kind in array array['active', 'deleted'] loop
      select v.statements, v.taken_over into step.statement, taken_over from nightshift.soft_delete_view(settings, kind) v;
      step.why := case kind when 'active' then 'What applications read: rows that are not deleted, with the rights of who reads.'
        else 'The rows that can be restored, with the rights of who reads.' end
        || case when taken_over then ' It is there already: from now on row level security of the table holds in it, too.' else '' end;
      if step.statement is not null then
        return next step;
      end if;
    end loop;
  end if;

  step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
  if settings.hide and not exists (
    select from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = 'nightshift_hides_deleted' and not p.polpermissive
  ) then
    step.statement := format(
      'create policy nightshift_hides_deleted on %s as restrictive for select to %s using (%s or current_setting(''nightshift.show_deleted'', true) = ''on'');',
      source,
      (select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) from pg_catalog.pg_roles r where r.oid in (select nightshift.api_roles())),
      active);
    step.why := 'Users do not see deleted rows, whatever they read.';
    return next step;
  end if;

  foreach columns in array settings.active_indexes loop
    columns := nightshift.columns_named(relation, columns);
    if nightshift.active_index(settings, columns) is null then
      step.outside_transaction := large;
      step.lock := case when online then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
      step.statement := format('create index %son %s (%s) where %s;', case when online then 'concurrently ' else '' end, source, columns,
        active);
      step.why := format('Finds active rows by %s, and counts them, without reading deleted ones.', columns);
      return next step;
    end if;
  end loop;

  return query select u.* from nightshift.unique_steps(settings, unique_among_active) u;
end;
$$;

comment on function nightshift.soft_delete_steps is
  'The statements, in order, that a table needs to be what its settings say; none when it is. unique_among_active: lists of columns that are to be unique among rows that are not deleted. Errors: NS422 such a list is the primary key or referred to, or a view''s name is taken.';
