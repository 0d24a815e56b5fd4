-- Restoring rows: the mark of soft-deleted rows is taken off again, many at a time, and what could not be is kept on record.
-- Why: one row whose unique value was taken meanwhile must not keep a thousand others from coming back, and a restore that
--      failed is a user who is waiting.
-- Locks: ROW EXCLUSIVE on the table and row locks on what is restored.

create or replace function nightshift.restore_rows(relation regclass, ids text[])
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
set statement_timeout = '8s'
set lock_timeout = '1s'
as $$
declare
  policy nightshift.retention_policies;
  key record;
  keys text[];
  id text;
  marked text;
  lock_row text;
  restore_row text;
  path_of_triggers text := (select s.trigger_search_path || ', pg_temp' from nightshift.settings s);
  is_marked boolean;
  leaf regclass;
  changed integer;
  state text;
  violated text;
  restored integer := 0;
  not_found integer := 0;
  not_deleted integer := 0;
  failed jsonb := '[]';
  context text;
begin
  perform nightshift.require_nothing_queued();
  if ids is null or cardinality(ids) > 1000 or array_position(ids, null) is not null then
    raise exception using
      errcode = 'NS422',
      message = case
        when cardinality(ids) > 1000 then format('%s ids are more than one call restores', cardinality(ids))
        else 'ids must be given, and none of them null'
      end,
      hint = 'Pass 1,000 at most, as text, and call again for the rest.';
  end if;
  select p.* into policy from nightshift.retention_policies p where p.relation = restore_rows.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', coalesce(relation::text, 'null')),
      hint = 'It says how a deleted row is marked. Name the table that has one: of a partitioned table, that is the table itself.';
  end if;
  -- From here on nobody changes the definition of the table, or the code of its triggers.
  perform nightshift.hold_table(policy.relation, 'for update');
  perform nightshift.check_restore(policy);
  select k.* into key from nightshift.primary_key(policy.relation) k;
  begin
    execute format('select array(select k.id::text from (select distinct i::%s as id from unnest($1) i) k order by k.id)', key.type)
    into keys using ids;
  exception
    when data_exception or check_violation then
      raise exception using
        errcode = 'NS422',
        message = format('One of the ids is not a value of %I of %s, which is of type %s', key.column_name, policy.relation,
          nightshift.column_type(policy.relation, key.column_name)),
        hint = 'Pass the values of the primary key as text. Nothing was restored.';
  end;

  -- Operators are qualified: the update runs with the search path of the triggers.
  marked := case when policy.flag_column is not null then format('r.%I is true', policy.flag_column)
    else format('(r.%1$I is not null and r.%1$I operator(pg_catalog.<>) ''-infinity'')', policy.marker_column) end;
  lock_row := format('select %s, r.tableoid from %s r where r.%I%s $1::%s for update of r',
    marked, nightshift.scan_of(policy.relation), key.column_name, key.equals, key.type);
  restore_row := format('update %s r set %I = null%s where r.%I%s $1::%s returning %s',
    nightshift.scan_of(policy.relation), policy.marker_column,
    case when policy.flag_column is null then '' else format(', %I = false', policy.flag_column) end,
    key.column_name, key.equals, key.type, marked);
  -- A conflict that shows only at the commit would undo all the others with it.
  set constraints all immediate;

  foreach id in array keys loop
    for attempt in 1..2 loop
      begin
        execute lock_row into is_marked, leaf using id;
        if is_marked is null then
          not_found := not_found + 1;
        elsif not is_marked then
          not_deleted := not_deleted + 1;
        else
          -- Until now nobody was kept from hanging a trigger on the partition alone.
          perform nightshift.hold_table(leaf, 'for update');
          perform nightshift.trusted_name(leaf);
          -- Triggers of the application were written for the application's own search path, not for ours.
          perform pg_catalog.set_config('search_path', path_of_triggers, true);
          execute restore_row into is_marked using id;
          get diagnostics changed = row_count;
          perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
          if changed = 0 or is_marked then
            raise exception using errcode = 'NS422', message = 'A trigger kept the row deleted';
          end if;
          restored := restored + 1;
        end if;
        exit;
      exception
        -- A trigger may raise any code there is. Each is counted and reported, and none is passed over in silence.
        when others then
          get stacked diagnostics state = returned_sqlstate, violated = constraint_name, context = pg_exception_context;
          -- A conflict with another session passes; what a trigger raises, it raises again.
          continue when state = '40001' and attempt = 1;
          -- The server is in trouble, not the row.
          if state ~ '^(53|54|57|58|XX)' then
            raise;
          end if;
          if state = '55P03' then
            -- Whoever has waited in vain once waits no more.
            perform set_config('lock_timeout', '1ms', true);
          end if;
          failed := failed || jsonb_build_object(
            'id', id, 'code', state, 'constraint', nullif(violated, ''), 'raisedIn', nightshift.place_in_code(context));
          exit;
      end;
    end loop;
  end loop;

  perform nightshift.trim_restores();
  insert into nightshift.restores (relation_name, restored, failed, reasons)
  select policy.relation::text, restored, jsonb_array_length(failed), coalesce(
    jsonb_agg(
      jsonb_build_object('code', g.code, 'constraint', g.violated, 'raisedIn', g.place, 'rows', g.n)
      order by g.n desc, g.code, g.violated, g.place
    ), '[]')
  from (
    select f ->> 'code', f ->> 'constraint', f ->> 'raisedIn', count(*) from jsonb_array_elements(failed) f group by 1, 2, 3
  ) g(code, violated, place, n);
  return jsonb_build_object('restored', restored, 'notFound', not_found, 'notDeleted', not_deleted, 'failed', failed);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_rows is
  'Takes the mark of the retention policy of a table (marker null, flag false) off the rows with these values of its primary key, given as text, at most 1,000. Each row is locked, in the order of the keys, looked at again under the lock and restored for itself, so that one that conflicts keeps no other back. Triggers fire, with settings.trigger_search_path. The caller needs UPDATE on the table; row level security does not apply. Returns {restored, notFound: how many are not there (purged already), notDeleted: how many are not marked, failed: [{id, code: the SQLSTATE, constraint, raisedIn: the line and function of a trigger that raised it}]}; 55P03: another session had it locked for a second. Makes deferred constraints immediate for the rest of the transaction. Recorded in nightshift.restores. statement_timeout 8 s. Errors, nothing restored: NS404 no policy, NS422.';
