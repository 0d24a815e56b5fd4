-- The upsert that the Data API cannot do: its ON CONFLICT names no partial index, and by primary key it would write to a deleted row,
-- where nobody sees what was written.
-- Rights: those of the caller, row level security included.
-- Locks: ROW EXCLUSIVE on the table, and FOR UPDATE on the row that is there.

create or replace function nightshift.put_active(
  relation regclass,
  row_values jsonb,
  conflict_columns text,
  on_deleted text default 'reject'
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  found_index record;
  row_type constant text := regexp_replace(rules.source, '^only ', '');
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  path_before constant text := current_setting('search_path');
  has_key constant boolean := row_values ?& rules.key_names::text[];
  columns text;
  new_values text;
  assignments text;
  wrong text;
  among text;
  existing record;
  parent regclass;
  key jsonb;
  context text;
begin
  if on_deleted is null or on_deleted not in ('revive', 'create', 'reject') then
    raise exception using
      errcode = 'NS422',
      message = format('on_deleted cannot be %L', on_deleted),
      hint = 'Of a deleted row with these values, ''revive'' brings it back with the new ones, ''create'' leaves it deleted and adds another, ''reject'' refuses.';
  end if;
  select a.* into found_index from nightshift.active_arbiter(relation, conflict_columns) a;
  if row_values is null or jsonb_typeof(row_values) <> 'object' or not row_values ?& found_index.columns::text[] then
    raise exception using
      errcode = 'NS422',
      message = format('row_values must be an object with a value for %s', array_to_string(found_index.columns, ', ')),
      hint = 'Pass {"sku": "A-17", "price": 3}.';
  end if;
  select n into wrong from jsonb_object_keys(row_values) n
  where length(n) > 63 or nightshift.column_type(relation, n::name) is null or n = any(found_index.own_columns::text[])
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = case when wrong = any(found_index.own_columns::text[]) then format('%I is written by a deletion or a restore only', wrong)
        else format('%s has no column %I', relation, wrong) end,
      hint = 'Nothing was written.';
  end if;
  select string_agg(quote_ident(n), ', ' order by n), string_agg(format('v.%I', n), ', ' order by n),
    string_agg(format('%1$I = v.%1$I', n), ', ' order by n) filter (where n <> all(found_index.columns::text[] || rules.key_names::text[]))
  into columns, new_values, assignments
  from jsonb_object_keys(row_values) n;

  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', 'restore', true);
  -- Another session may add, delete or restore such a row between the steps: then the next round finds it.
  for round in 1..5 loop
    -- Active ones first, by themselves, since the index holds only these.
    foreach among in array array[format('not (%s)', rules.deleted), rules.deleted] loop
      execute format($query$
        select %1$s as key, %2$s as shown_key, %3$s as is_deleted, (%4$s) is true as same_values, (%5$s) is true as same_key
        from %6$s r, jsonb_populate_record(null::%7$s, $1) v, jsonb_to_recordset(jsonb_build_array($1)) as k(%8$s)
        where %9$s and (%4$s or %5$s)
        order by (%4$s) is true desc, %10$s desc nulls last
        limit 1 for update of r
      $query$, rules.key_object, rules.key_value, rules.deleted, found_index.same_values, rules.key_match,
        rules.source, row_type, rules.key_definition, among, rules.marker)
      into existing using row_values;
      exit when existing.key is not null;
    end loop;
    if existing.key is not null and not existing.is_deleted and (has_key and not existing.same_key or not existing.same_values) then
      raise exception using
        errcode = 'NS409',
        message = format('An active row of %s has %s, and another %s', relation,
          case when existing.same_values then 'these values' else 'this primary key' end,
          case when existing.same_values then 'primary key' else 'value' end),
        detail = 'Nothing was written.',
        hint = format('Leave out the primary key to write to the row with the same %s.', array_to_string(found_index.columns, ', '));
    end if;
    if existing.key is not null and existing.is_deleted and (on_deleted = 'reject' or on_deleted = 'create' and has_key and existing.same_key) then
      raise exception using
        errcode = 'NS409',
        message = format('A deleted row of %s has %s', relation, case when existing.same_values then 'these values' else 'this primary key' end),
        detail = format('Its primary key is %s. Nothing was written.', existing.shown_key),
        hint = 'on_deleted => ''revive'' brings it back with the new values; ''create'' adds another with another primary key.';
    end if;
    begin
      perform set_config('search_path', rules.trigger_path, true);
      if existing.key is null or existing.is_deleted and on_deleted = 'create' then
        execute format('insert into %1$s as r (%2$s) select %3$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) v on conflict %4$s do nothing returning %5$s',
          row_type, columns, new_values, found_index.arbiter, rules.key_value)
        into key using row_values;
      elsif existing.is_deleted then
        execute format('update %s r set %s%s from pg_catalog.jsonb_populate_record(null::%s, $1) v, pg_catalog.jsonb_to_recordset($2) k(%s) where %s and %s returning %s',
          rules.source, rules.unmark, coalesce(', ' || (
            select string_agg(format('%1$I = v.%1$I', n), ', ') from jsonb_object_keys(row_values) n where n <> all(rules.key_names::text[])
          ), ''), row_type, rules.key_definition, rules.key_match, rules.deleted, rules.key_value)
        into key using row_values, jsonb_build_array(existing.key);
      else
        execute format('update %s r set %s from pg_catalog.jsonb_populate_record(null::%s, $1) v, pg_catalog.jsonb_to_recordset($2) k(%s) where %s and not (%s) returning %s',
          rules.source, coalesce(assignments, format('%1$I = r.%1$I', found_index.columns[1])), row_type, rules.key_definition, rules.key_match,
          rules.deleted, rules.key_value)
        into key using row_values, jsonb_build_array(existing.key);
      end if;
    exception
      when unique_violation then
        if round = 5 then
          raise;
        end if;
    end;
    perform pg_catalog.set_config('search_path', path_before, true);
    exit when key is not null;
  end loop;
  if key is null then
    raise exception using
      errcode = 'NS409',
      message = format('A row of %s that %s may not change has these values', relation, current_user),
      hint = 'Row level security, or a trigger, keeps it from being written. Nothing was written.';
  end if;
  if existing.is_deleted and on_deleted = 'revive' then
    perform nightshift.hold_parents(relation, jsonb_build_array(existing.key));
    parent := nightshift.deleted_parent(relation, jsonb_build_array(existing.key));
    if parent is not null then
      raise exception using
        errcode = 'NS409',
        message = format('It belongs to a row of %s that is deleted', parent),
        hint = 'Restore that one first: nightshift.restore.';
    end if;
  end if;
  perform set_config('nightshift.operation', operation_before, true);
  perform set_config('nightshift.show_deleted', shown_before, true);
  perform nightshift.announce_changes(relation);
  return jsonb_build_object(
    'action', case when existing.key is null or existing.is_deleted and on_deleted = 'create' then 'inserted'
      when existing.is_deleted then 'revived' else 'updated' end,
    'key', key
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.put_active is
  'Writes a row so that there is one active row with its values of conflict_columns, as in ''tenant_id, sku'', which must be unique among active rows: adds it, or updates the active one that has them. row_values: an object of columns and values; of a row that is there, others keep theirs. on_deleted says what becomes of a deleted row with these values or this primary key: reject (default) refuses, revive brings it back with the new values, create leaves it deleted and adds another. The rights are those of the caller, row level security included. Returns {action: inserted, updated or revived, key}. Errors, nothing written: NS409 such a deleted row, an active row with another primary key, a row that the caller may not change, or a deleted row that it belongs to; NS403, NS404, NS422; and what constraints and triggers say.';
