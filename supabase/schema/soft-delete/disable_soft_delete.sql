create or replace function nightshift.disable_soft_delete(relation regclass, deleted_rows text default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  settings nightshift.soft_delete_tables;
  rules nightshift.soft_delete_rules;
  source text;
  any_deleted boolean;
  done jsonb := '[]';
  statement text;
  context text;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = disable_soft_delete.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', coalesce(relation::text, 'null')),
      hint = 'select nightshift.inspect_soft_delete(); shows the tables that have it.';
  end if;
  if deleted_rows not in ('keep', 'restore') then
    raise exception using
      errcode = 'NS422',
      message = format('deleted_rows cannot be %L', deleted_rows),
      hint = '''keep'' leaves them as they are, with their columns; ''restore'' makes them active. To remove them, purge first.';
  end if;
  perform nightshift.require_ownership(relation, 'columns and triggers');
  source := nightshift.trusted_name(relation);
  execute format('lock table %s in share row exclusive mode', source);
  rules := nightshift.soft_delete_rules(relation, false);
  execute format('select exists (select from %s r where %s)', nightshift.scan_of(relation), rules.deleted) into any_deleted;
  if any_deleted and deleted_rows is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has deleted rows', relation),
      detail = 'Without soft delete nothing keeps them apart from the others. Nothing was changed.',
      hint = format('Say what becomes of them: select nightshift.disable_soft_delete(%L, deleted_rows => ''keep''), or ''restore''.', relation::text);
  end if;
  update nightshift.soft_delete_cascades c set guarded = false where disable_soft_delete.relation in (c.relation, c.referencing) and c.guarded;
  for statement in
    select g.statement from nightshift.guard_steps(relation) g
    -- A table that refers to itself has its guard in both.
    union
    select format('drop trigger %I on %s;', t.tgname, source)
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'nightshift'::regnamespace
    where t.tgrelid = relation and t.tgname like 'zz\_nightshift\_%'
    union all
    select format('drop policy nightshift_hides_deleted on %s;', source)
    from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = 'nightshift_hides_deleted'
    union all
    select format('drop view %s;', v) from nightshift.soft_delete_views(relation) v
    union all
    select format('drop index %s;', i.name)
    from unnest(settings.added_indexes) c cross join lateral (select nightshift.active_index(settings, c) as name) i
    where i.name is not null
    union all
    select format('update %s r set %s where %s;', nightshift.scan_of(relation), rules.unmark, rules.deleted)
    where any_deleted and deleted_rows = 'restore'
    union all
    -- The index goes with the column that its condition names; what it kept unique stays so.
    select format('create unique index on %s%s;', source, substring(pg_get_indexdef(i.indexrelid) from ' USING btree( .*) WHERE '))
    from pg_catalog.pg_index i
    where i.indrelid = relation and i.indisunique and i.indisvalid and i.indexprs is null
      and pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NULL)', settings.marker_column)
      and settings.marker_column = any(settings.added_columns)
      and (not any_deleted or deleted_rows = 'restore')
    union all
    select format('alter table %s %s;', source, string_agg(format('drop column %I', c), ', '))
    from unnest(settings.added_columns) c
    where not any_deleted or deleted_rows = 'restore'
    having count(*) > 0
  loop
    execute statement;
    done := done || to_jsonb(statement);
  end loop;
  delete from nightshift.soft_delete_tables t where t.relation = disable_soft_delete.relation;
  perform nightshift.settle_users();
  notify pgrst, 'reload schema';
  return jsonb_build_object('relation', relation::text, 'done', done);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.disable_soft_delete is
  'Undoes enable_soft_delete: its triggers, policy and views, the indexes of active rows that it was asked for, and the columns that it added, where no row is deleted. deleted_rows says what becomes of rows that are: keep (they stay as they are, and so do the columns) or restore (they are active again); without it such a table is refused. The history stays, and so do the other indexes and the retention policy, which are of use without it. Returns {relation, done: the statements}. Errors, nothing changed: NS404, NS422, 2BP01 something else depends on a view or column.';
