-- Deleting rows so that they can come back: the rows are marked, and what is deleted with them by cascade carries the same operation.
-- Why: whoever deletes wants back exactly what that deletion took, and no more.
-- Rights: those of the caller, row level security included. Who deleted is the user of the request, whatever else is said.
-- Locks: ROW EXCLUSIVE on the tables, and FOR UPDATE on the rows, so that nobody adds a row that refers to one meanwhile.

create or replace function nightshift.soft_delete(
  relation regclass,
  keys jsonb,
  deleted_by text default null,
  reason text default null,
  operation uuid default null,
  confirmed text default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  actor constant text := nightshift.deletion_actor(deleted_by);
  operation_id constant uuid := nightshift.deletion_operation(operation);
  stamp constant timestamptz := nightshift.operation_time(operation_id);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  path_before constant text := current_setting('search_path');
  tables regclass[] := array[relation];
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  key_sets jsonb[] := array[asked_keys];
  position integer := 1;
  via text[] := array[null];
  rows_found record;
  active jsonb;
  steps jsonb := '[]';
  changed bigint;
  deleted bigint := 0;
  already_deleted integer;
  repeated integer := 0;
  not_found integer;
  cascaded jsonb := '{}';
  edge record;
  children jsonb;
  context text;
begin
  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', operation_id::text, true);
  while position <= cardinality(tables) loop
    if position > 1 then
      rules := nightshift.soft_delete_rules(tables[position]);
    end if;
    select f.* into rows_found from nightshift.find_rows(tables[position], key_sets[position], 'update', as_given => true) f;
    active := rows_found.active;
    -- A caller who lost the answer and repeats the call learns that the rows were deleted by it, and not by others.
    if position = 1 and operation is not null and rows_found.deleted <> '[]' then
      execute format('select count(*) from (select distinct * from jsonb_to_recordset($3) as k(%s)) k join %s r on %s where %s',
        rules.key_definition, rules.source, rules.key_match, rules.of_operation)
      into repeated using stamp, operation_id, key_sets[1];
    end if;
    perform nightshift.require_unrestricted(tables[position], active);

    -- Triggers of the application were written for the application's own search path.
    perform set_config('search_path', rules.trigger_path, true);
    -- By their keys alone, since they are locked and active: an index of active rows that was empty when the table was analyzed
    -- looks like a way to each of them, and all of it would be read each time.
    execute format($query$
      with updated as (
        update %1$s r set %2$s where %3$s returning %4$s as gone
      )
      select pg_catalog.count(*) from updated u where u.gone
    $query$, rules.source, rules.mark, rules.is_asked, rules.deleted)
    into changed using active, stamp, actor, reason, operation_id;
    perform pg_catalog.set_config('search_path', path_before, true);
    -- What belongs to a row that a trigger of the application keeps stays with it.
    if changed < jsonb_array_length(active) then
      select f.deleted into active from nightshift.find_rows(tables[position], active, 'update') f;
    end if;

    if position = 1 then
      deleted := changed;
      already_deleted := jsonb_array_length(rows_found.deleted);
      not_found := rows_found.asked - already_deleted - jsonb_array_length(rows_found.active);
    elsif changed > 0 then
      cascaded := cascaded || jsonb_build_object(
        rules.relation::text, coalesce((cascaded ->> rules.relation::text)::bigint, 0) + changed
      );
    end if;
    steps := steps || jsonb_build_object('relation', rules.relation::text, 'rows', changed, 'via', via[position]);
    for edge in select e.* from nightshift.edges_to_children(rules.relation) e where changed > 0 loop
      execute edge.children into children using active;
      if children is not null then
        tables := tables || edge.referencing;
        key_sets := key_sets || children;
        via := via || edge.constraint_name::text;
      end if;
    end loop;
    position := position + 1;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  perform set_config('nightshift.operation', operation_before, true);

  if jsonb_array_length(keys) = 1 and deleted + repeated = 0 then
    raise exception using
      errcode = case not_found when 1 then 'NS404' else 'NS409' end,
      message = case when not_found = 1 then format('There is no such row in %s, or not for %s', relation, current_user)
        when already_deleted = 1 then format('The row of %s is deleted already', relation)
        else format('A trigger of %s kept the row from being deleted', relation) end,
      hint = case when not_found = 1 then 'Row level security says which rows a user may see and change.'
        when already_deleted = 1 then 'It keeps the time, the user and the reason of its first deletion. To bring it back: nightshift.restore.'
        else 'Its triggers for updates say when it may go: one of them returned null, or took the mark off.' end;
  end if;
  if confirmed is not null and repeated = 0 and confirmed <> nightshift.deletion_hash(asked_keys, steps) then
    raise exception using
      errcode = 'NS409',
      message = 'What would be deleted is no longer what was confirmed',
      detail = 'Nothing was deleted.',
      hint = 'Show what would be deleted now, and pass its hash: nightshift.plan_delete.';
  end if;
  perform nightshift.announce_changes(relation);
  return jsonb_build_object(
    'operation', operation_id,
    'deletedAt', stamp,
    'deleted', deleted,
    'alreadyDeleted', already_deleted,
    'repeated', repeated,
    'notFound', not_found,
    'cascaded', cascaded
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete is
  'Marks the rows with these primary keys as deleted: keys is an array of values, or of objects where the key has several columns, 10,000 at most. Rows of tables that enable_soft_delete was told to cascade to go with the row that they refer to, in the same transaction and operation. The rights are those of the caller, row level security included. deleted_by: who deletes, for service_role; of a user it is always the user of the request. operation: goes on with an operation of the last day, of a user one of their own, so that restore_operation brings all of it back. confirmed: the hash of plan_delete; when other rows would go by now, nothing is deleted. A row that is deleted already keeps its first time, user and reason. A row that a trigger of the application keeps is not counted, and nothing goes along with it. Returns {operation, deletedAt, deleted, alreadyDeleted, repeated: how many of these an earlier call of the same operation deleted, notFound: not there, or not for this user, cascaded: {table: rows}}. For a single key that its operation did not delete: NS409 it is already, or a trigger keeps it, NS404 it is not there. Other errors, nothing changed: NS403 not in the name or the operation of another, or not for users; NS404 soft delete is not enabled; NS409 a row of another table refers to it with ON DELETE RESTRICT, or it is not what was confirmed; NS422.';
