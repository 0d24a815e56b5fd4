-- Making a table one whose rows are marked as deleted, and can come back; or bringing one that is up to date.
-- Locks: as each step says. Nothing is rewritten. What takes long on a large table is left to be done concurrently.

create or replace function nightshift.enable_soft_delete(
  relation regclass,
  marker_column name default null,
  flag_column name default null,
  by_column name default null,
  reason_column name default null,
  cascade text[] default null,
  unique_among_active text[] default null,
  hide boolean default null,
  for_users boolean default null,
  views boolean default null,
  drop_after interval default null,
  guard boolean default null,
  realtime boolean default null,
  active_indexes text[] default null,
  dry_run boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  settings nightshift.soft_delete_tables;
  step nightshift.ddl_step;
  done jsonb := '[]';
  to_do jsonb := '[]';
  former_name text;
  guards constant boolean := coalesce(
    guard, (select bool_or(c.guarded) from nightshift.soft_delete_cascades c where c.relation = enable_soft_delete.relation), false);
  edges oid[];
  context text;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = enable_soft_delete.relation;
  former_name := settings.relation_name;
  settings.relation := relation;
  settings.relation_name := relation::text;
  settings.marker_column := coalesce(marker_column, settings.marker_column, 'deleted_at');
  settings.flag_column := coalesce(flag_column, settings.flag_column);
  settings.by_column := coalesce(by_column, settings.by_column, 'deleted_by');
  settings.reason_column := coalesce(reason_column, settings.reason_column, 'deletion_reason');
  settings.operation_column := coalesce(settings.operation_column, 'deletion_id');
  settings.hide := coalesce(hide, settings.hide, false);
  settings.for_users := coalesce(for_users, settings.for_users, false);
  settings.realtime := coalesce(realtime, settings.realtime, false);
  settings.views := coalesce(views, settings.views, true);
  settings.created_at := coalesce(settings.created_at, now());
  perform nightshift.check_soft_delete(settings);
  perform nightshift.require_ownership(settings.relation, 'columns and triggers');
  settings.added_columns := coalesce(settings.added_columns, '{}') || array(
    select c.name
    from unnest(array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column]) c(name)
    where nightshift.column_type(settings.relation, c.name) is null
  );
  settings.active_indexes := case when active_indexes is null then coalesce(settings.active_indexes, '{}')
    else array(select distinct nightshift.columns_named(settings.relation, i) from unnest(active_indexes) i order by 1) end;
  settings.added_indexes := array(
    select unnest(settings.added_indexes)
    union select i from unnest(settings.active_indexes) i where nightshift.active_index(settings, i) is null
  );
  -- Before anything is done, and in a dry run as well, since it may refuse.
  edges := nightshift.cascade_keys(settings.relation, cascade);
  for step in select s.* from nightshift.soft_delete_steps(settings, unique_among_active) s loop
    if dry_run or step.outside_transaction or to_do <> '[]' and step.statement ~ '^(alter table .+ drop constraint |drop index )' then
      to_do := to_do || nightshift.describe_step(step);
    else
      execute step.statement;
      done := done || nightshift.describe_step(step);
    end if;
  end loop;
  if not dry_run then
    delete from nightshift.soft_delete_tables t
    where not exists (select from pg_catalog.pg_class c where c.oid = t.relation);
    insert into nightshift.soft_delete_tables select settings.*
    on conflict on constraint soft_delete_tables_pkey do update set
      relation_name = excluded.relation_name, marker_column = excluded.marker_column, flag_column = excluded.flag_column,
      by_column = excluded.by_column, reason_column = excluded.reason_column, operation_column = excluded.operation_column,
      added_columns = excluded.added_columns, active_indexes = excluded.active_indexes, added_indexes = excluded.added_indexes,
      views = excluded.views, hide = excluded.hide, for_users = excluded.for_users, realtime = excluded.realtime;
    perform nightshift.declare_cascades(relation, cascade);
    update nightshift.soft_delete_cascades c set guarded = guards
    where c.relation = enable_soft_delete.relation;
    perform nightshift.settle_users();
    perform nightshift.partition_history();
    -- A new view is not known to the Data API before it reads the schema again.
    notify pgrst, 'reload schema';
  end if;
  for step in
    select g.* from nightshift.guard_steps(settings.relation, case when guards then edges else '{}' end) g
    union all
    select format('select nightshift.follow_rename(%L, %L);', settings.relation_name, former_name),
      'It was renamed, and the history follows.', 'none', false
    where former_name <> settings.relation_name
    union all
    select format('select nightshift.add_retention_policy(%L, %L, %L, %L);', settings.relation_name, drop_after, settings.marker_column, settings.flag_column),
      'Deleted rows are purged once they are older.', 'none', false
    where drop_after is not null
  loop
    if dry_run then
      to_do := to_do || nightshift.describe_step(step);
    else
      execute step.statement;
      done := done || nightshift.describe_step(step);
    end if;
  end loop;
  return jsonb_build_object('relation', relation::text, 'done', done, 'toDo', to_do,
    'advice', nightshift.soft_delete_advice(settings, unique_among_active));
exception
  when unique_violation then
    get stacked diagnostics context = message_text;
    raise exception using
      errcode = 'NS422',
      message = format('Active rows of %s have the same values already, so they cannot be unique', relation),
      detail = 'Nothing was changed.',
      hint = format('Find them: %s', nightshift.duplicates_query(settings, unique_among_active));
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.enable_soft_delete is
  'Lets rows of a table be marked as deleted, restored and accounted for, or brings a table up to date for which it was called before; what is not given stays. Adds the columns deleted_at, deleted_by, deletion_reason and deletion_id, or adopts those that are named (marker_column: timestamptz, or timestamp or date of UTC; flag_column: a boolean; by_column: text, varchar or uuid); an index of deleted rows; triggers that give a deletion by plain update the time of the server and the user of the request, and write the history; and the views active_<table> and deleted_<table> (unless views => false) with the rights of who reads. cascade: tables whose rows go along with the row that they refer to, like ''public.order_items'' or ''public.messages(sender_id)''; each needs soft delete itself. unique_among_active: columns, like ''tenant_id, sku'', whose values can be used again once the row is deleted. hide: a restrictive policy hides deleted rows from users. for_users: users may call soft_delete and restore, within row level security. drop_after: also a retention policy. guard: no row of the tables in cascade can be added to a deleted row, pointed to it, or brought back under it. realtime: each deletion and restore is told to subscribers of Supabase Realtime, on the topic nightshift:<table>. active_indexes: lists of columns, like ''customer_id, created_at'', by each of which the rows that are not deleted get an index of their own, in place of the lists given before; an index that this leaves without use stays until disable_soft_delete. dry_run: only says what it would do. Returns {relation, done, toDo, advice}, each [{statement, why, lock}]: toDo is to be executed outside of a transaction, as on large tables indexes are; advice is that of inspect_soft_delete. Errors, nothing changed: NS404, NS422, 55P03 the table was locked for a second: call again.';
