-- Bringing rows back: many at a time, and where one cannot come back, the others do, or none, or what is in its way gives way.
-- Why: one row whose unique value was taken meanwhile must not keep a thousand others from coming back, and a restore that
--      failed is a user who is waiting.
-- Rights: those of the caller, row level security included.
-- Locks: ROW EXCLUSIVE on the table and row locks on what is restored.

create or replace function nightshift.restore_keys(
  relation regclass,
  keys jsonb,
  on_conflict text,
  restored_by text,
  reason text,
  overrides jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  actor constant text := nightshift.deletion_actor(restored_by);
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  changes constant text := nightshift.override_assignments(relation, overrides, jsonb_array_length(keys));
  path_before constant text := current_setting('search_path');
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  actor_before constant text := coalesce(current_setting('nightshift.actor', true), '');
  reason_before constant text := coalesce(current_setting('nightshift.reason', true), '');
  rows_seen record;
  parents_held record;
  rows_found record;
  one jsonb;
  row_found record;
  locked integer;
  active integer;
  portions jsonb[];
  portion jsonb;
  position integer := 1;
  half integer;
  edge record;
  parents jsonb;
  blocking jsonb;
  answer jsonb;
  changed bigint;
  restored bigint := 0;
  restored_parents bigint := 0;
  replaced bigint := 0;
  parent regclass;
  parents_of_portion bigint;
  replaced_of_portion bigint;
  waiting jsonb := '[]';
  restored_before bigint := 0;
  failed jsonb := '[]';
  state text;
  violated text;
  said text;
  context text;
begin
  if on_conflict is null or on_conflict not in ('skip', 'fail', 'restore_parents', 'replace') then
    raise exception using
      errcode = 'NS422',
      message = format('on_conflict cannot be %L', on_conflict),
      hint = '''skip'' leaves and reports rows that cannot come back, ''fail'' then restores none, ''restore_parents'' restores what they belong to as well, ''replace'' deletes the active row that has taken their unique value.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', 'restore', true);
  perform set_config('nightshift.actor', actor, true);
  perform set_config('nightshift.reason', coalesce(reason, ''), true);
  begin
    -- In the order in which soft_delete locks: what is referred to first.
    if rules.has_parents then
      select f.* into rows_seen from nightshift.find_rows(relation, asked_keys, 'none') f;
      perform nightshift.hold_parents(relation, rows_seen.active || rows_seen.deleted);
      select f.* into rows_found from nightshift.find_rows(relation, rows_seen.active || rows_seen.deleted, 'no key update', as_given => true) f;
    else
      select f.* into rows_found from nightshift.find_rows(relation, asked_keys, 'no key update') f;
      rows_seen := rows_found;
    end if;
  exception
    when lock_not_available then
      if on_conflict = 'fail' then
        raise;
      end if;
      -- Whoever is in the way of one row keeps no other from coming back.
      select f.* into rows_seen from nightshift.find_rows(relation, asked_keys, 'none') f;
      select h.* into parents_held from nightshift.hold_parents(relation, rows_seen.active || rows_seen.deleted, skip_locked => true) h;
      select f.* into rows_found from nightshift.find_rows(relation, parents_held.held, 'no key update skip locked') f;
      for one in
        select k.value from jsonb_array_elements(parents_held.held) k
        except select f.value from jsonb_array_elements(rows_found.active || rows_found.deleted) f
        order by value
      loop
        begin
          -- Free by now, or not there.
          select f.* into row_found from nightshift.find_rows(relation, jsonb_build_array(one), 'no key update nowait') f;
          rows_found.deleted := rows_found.deleted || row_found.deleted;
          rows_found.active := rows_found.active || row_found.active;
        exception
          when lock_not_available then
            parents_held.locked := parents_held.locked || one;
        end;
      end loop;
      failed := (
        select coalesce(jsonb_agg(jsonb_build_object(
          'key', case cardinality(rules.key_names) when 1 then k.value -> rules.key_names[1] else k.value end,
          'code', '55P03', 'constraint', null, 'raisedIn', null, 'message', 'Another session keeps it, or what it belongs to, locked'
        ) order by k.value), '[]')
        from jsonb_array_elements(parents_held.locked) k
      );
  end;
  portions := array[rows_found.deleted];
  active := jsonb_array_length(rows_found.active);
  locked := jsonb_array_length(failed);
  -- A conflict that shows only at the commit would undo all the others with it.
  set constraints all immediate;

  loop
    while position <= cardinality(portions) loop
      portion := portions[position];
      position := position + 1;
      continue when jsonb_array_length(portion) = 0;
      parents_of_portion := 0;
      replaced_of_portion := 0;
      parent := null;
      begin
        for edge in select e.* from nightshift.edges_to_parents(relation) e where on_conflict = 'restore_parents' loop
          loop
            execute edge.deleted_parents into parents using portion;
            exit when parents is null or edge.referenced = relation and portion @> parents;
            if edge.referenced <> relation then
              answer := nightshift.restore_keys(edge.referenced, parents, 'restore_parents', restored_by, reason);
              parents_of_portion := parents_of_portion + (answer ->> 'restored')::bigint + (answer ->> 'parents')::bigint;
              exit;
            end if;
            -- Of a table that refers to itself, all come back in one statement: there may be a circle of them.
            portion := (select jsonb_agg(distinct e) from jsonb_array_elements(portion || parents) e);
          end loop;
        end loop;
        for edge in select u.* from nightshift.unique_conflicts(relation) u where on_conflict = 'replace' loop
          execute edge.blocking into blocking using portion;
          if blocking is not null then
            replaced_of_portion := replaced_of_portion + (nightshift.soft_delete(
              relation, (select jsonb_agg(distinct b -> 'blocking') from jsonb_array_elements(blocking) b), restored_by, 'Replaced by a restore'
            ) ->> 'deleted')::bigint;
          end if;
        end loop;

        -- Triggers of the application were written for the application's own search path, not for ours.
        perform set_config('search_path', rules.trigger_path, true);
        -- By their keys: the index of deleted rows, which looks small until the table is analyzed, would be read as a whole for each
        -- of them, and coalesce keeps it from being considered.
        execute format($query$
          with updated as (
            update %1$s r set %2$s%3$s where %4$s and coalesce(%5$s, false) returning %5$s as kept
          )
          select pg_catalog.count(*) filter (where not u.kept) from updated u
        $query$, rules.source, rules.unmark, changes, rules.is_asked, rules.deleted)
        into changed using portion, overrides;
        perform pg_catalog.set_config('search_path', path_before, true);
        if changed < jsonb_array_length(portion) then
          raise exception using errcode = 'NS422', message = 'A trigger kept the row deleted';
        end if;
        parent := nightshift.deleted_parent(relation, portion);
        if parent is not null then
          raise exception using errcode = 'NS409', message = format('It belongs to a row of %s that is deleted', parent);
        end if;
        restored := restored + jsonb_array_length(portions[position - 1]);
        restored_parents := restored_parents + parents_of_portion + changed - jsonb_array_length(portions[position - 1]);
        replaced := replaced + replaced_of_portion;
      exception
        -- A trigger may raise any code there is. Each is counted and reported, and none is passed over in silence.
        when others then
          get stacked diagnostics state = returned_sqlstate, violated = constraint_name, said = message_text, context = pg_exception_context;
          -- The server is in trouble, or another session in the way, not the row.
          if state ~ '^(40|53|54|57|58|XX)' then
            raise;
          end if;
          if on_conflict <> 'fail' and jsonb_array_length(portion) > 1 then
            half := jsonb_array_length(portion) / 2;
            portions := portions
              || (select jsonb_agg(e order by n) from jsonb_array_elements(portion) with ordinality p(e, n) where n <= half)
              || (select jsonb_agg(e order by n) from jsonb_array_elements(portion) with ordinality p(e, n) where n > half);
          elsif on_conflict = 'fail' then
            raise exception using
              errcode = 'NS409',
              message = format('The rows of %s cannot come back: %s', relation, case when state like 'NS%' then said else state end),
              constraint = violated,
              detail = concat_ws(' ', 'Constraint ' || nullif(violated, '') || '.', 'Raised in ' || nightshift.place_in_code(context) || '.', 'Nothing was restored.'),
              hint = 'nightshift.plan_restore shows what is in the way. on_conflict says what becomes of it: skip, restore_parents or replace; overrides gives the row other values.';
          elsif parent = relation then
            waiting := waiting || portion;
          else
            failed := failed || jsonb_build_object(
              'key', case cardinality(rules.key_names) when 1 then portion -> 0 -> rules.key_names[1] else portion -> 0 end,
              'code', state, 'constraint', nullif(violated, ''), 'raisedIn', nightshift.place_in_code(context),
              'message', case when state like 'NS%' then said end);
          end if;
      end;
    end loop;
    exit when waiting = '[]' or restored = restored_before;
    -- What they belong to may have come back after they were tried.
    restored_before := restored;
    portions := array_append(portions, waiting);
    waiting := '[]';
  end loop;
  failed := failed || (
    select coalesce(jsonb_agg(jsonb_build_object(
      'key', case cardinality(rules.key_names) when 1 then k.value -> rules.key_names[1] else k.value end,
      'code', 'NS409', 'constraint', null, 'raisedIn', null, 'message', format('It belongs to a row of %s that is deleted', relation)
    ) order by k.value), '[]')
    from jsonb_array_elements(waiting) k
  );
  perform nightshift.record_failed_restores(relation, actor, reason, failed);
  perform set_config('nightshift.actor', actor_before, true);
  perform set_config('nightshift.reason', reason_before, true);
  perform set_config('nightshift.operation', operation_before, true);
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object(
    'restored', restored, 'notDeleted', active, 'notFound', rows_seen.asked - active - locked - jsonb_array_length(rows_found.deleted), 'failed', failed,
    'parents', restored_parents, 'replaced', replaced
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_keys is
  'What restore does, and what restores of an operation or since a moment do with each page of keys: see restore, but that a single key that is not there or not deleted is counted.';
