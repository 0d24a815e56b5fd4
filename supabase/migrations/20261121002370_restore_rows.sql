-- Restoring rows: the mark of soft-deleted rows is taken off again, many at a time, and what could not be is kept on record.
-- Why: one row whose unique value was taken meanwhile must not keep a thousand others from coming back, and a restore that
--      failed is a user who is waiting.
-- Locks: none on any existing object; at run time ROW EXCLUSIVE on the table and row locks on what is restored.

create table nightshift.restores (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  relation_name text not null,
  restored integer not null,
  failed integer not null,
  reasons jsonb not null default '[]'
);

comment on table nightshift.restores is
  'One row for each call of nightshift.restore_rows, kept for settings.ledger_retention; never the contents of rows, nor their keys.';
comment on column nightshift.restores.reasons is 'Why rows failed, most frequent first: [{code: the SQLSTATE, constraint, rows}].';

create index restores_at on nightshift.restores (at);

alter table nightshift.restores enable row level security;
revoke all on nightshift.restores from public, anon, authenticated, service_role;
revoke all on sequence nightshift.restores_id_seq from public, anon, authenticated, service_role;

create function nightshift.trim_restores()
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  with trimmed as (
    delete from nightshift.restores r
    where r.id in (
      select old.id
      from nightshift.restores old
      where old.at < now() - (select s.ledger_retention from nightshift.settings s)
      order by old.at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
end;

comment on function nightshift.trim_restores is
  'Deletes at most 1,000 records of restores older than settings.ledger_retention (default 90 days); returns how many. restore_rows calls it.';

create function nightshift.is_set_by_default(relation regclass, column_name name)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce((
    -- What says "not deleted" as a default is null, or a time that never is.
    select a.attgenerated = '' and pg_get_expr(d.adbin, d.adrelid) !~* '^\(*(null|''-?infinity'')\M'
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = is_set_by_default.relation and a.attname = is_set_by_default.column_name
  ), false);
end;

comment on function nightshift.is_set_by_default is
  'Whether a new row has a time in this column by its default, as created_at mostly has.';

create function nightshift.check_restore(policy nightshift.retention_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of the function: it gives nobody a right to change rows that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  wrong text;
begin
  if not has_table_privilege(caller, policy.relation, 'update') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not update rows of %s', caller, policy.relation),
      hint = format('Restore as the owner of the table, or: grant update on %s to %I;', policy.relation, caller);
  end if;
  perform nightshift.require_trusted_owner(policy.relation);
  perform nightshift.require_trusted_owner(c.oid::regclass)
  from pg_catalog.pg_partition_tree(policy.relation) t
  join pg_catalog.pg_class c on c.oid = t.relid
  where c.relowner <> (select o.relowner from pg_catalog.pg_class o where o.oid = policy.relation);
  -- It says so where the columns of the policy are not what they were.
  perform nightshift.due_by_marker('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, now());

  select case
    when a.attname = policy.marker_column and nightshift.is_set_by_default(policy.relation, a.attname)
      then format('%I of %s is set when a row is written, and says nothing of its deletion', a.attname, policy.relation)
    when a.attnotnull then format('%I of %s cannot be null, so a row that has one is not a deleted one', a.attname, policy.relation)
    when a.attgenerated <> '' then format('%I of %s is generated', a.attname, policy.relation)
  end into wrong
  from pg_catalog.pg_attribute a
  where a.attrelid = policy.relation and a.attname in (policy.marker_column, policy.flag_column)
    and (
      a.attgenerated <> ''
      or a.attname = policy.marker_column and (a.attnotnull or nightshift.is_set_by_default(policy.relation, a.attname))
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = wrong,
      hint = 'Rows can be restored where they are marked as deleted, by a column that is null in those that are not.';
  end if;
end;
$$;

comment on function nightshift.check_restore is
  'Raises NS422, with the fix in the hint, unless the rows of a policy can be restored, and by whoever calls.';

create function nightshift.primary_key(relation regclass, out column_name name, out type text, out equals text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  columns integer;
begin
  -- The type without its length: a cast to varchar(3) would cut an id short, and find another row.
  select i.indnkeyatts, a.attname, format('%I.%I', tn.nspname, t.typname), format('operator(%I.%s)', n.nspname, o.oprname)
  into columns, column_name, type, equals
  from pg_catalog.pg_index i
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = i.indclass[0]
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  join pg_catalog.pg_operator o on o.oid = p.amopopr
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  where i.indrelid = primary_key.relation and i.indisprimary;
  if columns is distinct from 1 then
    raise exception using
      errcode = 'NS422',
      message = case
        when columns is null then format('%s has no primary key', relation)
        else format('The primary key of %s has %s columns', relation, columns)
      end,
      hint = 'Rows are named by the value of a primary key of one column; restore others with an update of your own.';
  end if;
end;
$$;

comment on function nightshift.primary_key is
  'The column of a primary key of one column, its type and the operator that it is unique by, both as SQL writes them. Errors: NS422 when there is none.';

create function nightshift.restore_rows(relation regclass, ids text[])
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
  changed integer;
  state text;
  violated text;
  restored integer := 0;
  not_found integer := 0;
  not_deleted integer := 0;
  failed jsonb := '[]';
begin
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
  lock_row := format('select %s from %s r where r.%I %s $1::%s for update of r',
    marked, nightshift.scan_of(policy.relation), key.column_name, key.equals, key.type);
  restore_row := format('update %s r set %I = null%s where r.%I %s $1::%s returning %s',
    nightshift.scan_of(policy.relation), policy.marker_column,
    case when policy.flag_column is null then '' else format(', %I = false', policy.flag_column) end,
    key.column_name, key.equals, key.type, marked);
  -- A conflict that shows only at the commit would undo all the others with it.
  set constraints all immediate;

  foreach id in array keys loop
    begin
      execute lock_row into is_marked using id;
      if is_marked is null then
        not_found := not_found + 1;
      elsif not is_marked then
        not_deleted := not_deleted + 1;
      else
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
    exception
      -- A trigger may raise any code there is. Each is counted and reported, and none is passed over in silence.
      when others then
        get stacked diagnostics state = returned_sqlstate, violated = constraint_name;
        -- The server is in trouble, not the row.
        if state ~ '^(53|54|57|58|XX)' then
          raise;
        end if;
        if state = '55P03' then
          -- Whoever has waited in vain once waits no more.
          perform set_config('lock_timeout', '1ms', true);
        end if;
        failed := failed || jsonb_build_object('id', id, 'code', state, 'constraint', nullif(violated, ''));
    end;
  end loop;

  perform nightshift.trim_restores();
  insert into nightshift.restores (relation_name, restored, failed, reasons)
  select policy.relation::text, restored, jsonb_array_length(failed), coalesce(
    jsonb_agg(jsonb_build_object('code', g.code, 'constraint', g.violated, 'rows', g.n) order by g.n desc, g.code, g.violated), '[]')
  from (
    select f ->> 'code', f ->> 'constraint', count(*) from jsonb_array_elements(failed) f group by 1, 2
  ) g(code, violated, n);
  return jsonb_build_object('restored', restored, 'notFound', not_found, 'notDeleted', not_deleted, 'failed', failed);
end;
$$;

comment on function nightshift.restore_rows is
  'Takes the mark of the retention policy of a table (marker null, flag false) off the rows with these values of its primary key, given as text, at most 1,000. Each row is locked, in the order of the keys, looked at again under the lock and restored for itself, so that one that conflicts keeps no other back. Triggers fire, with settings.trigger_search_path. The caller needs UPDATE on the table; row level security does not apply. Returns {restored, notFound: how many are not there (purged already), notDeleted: how many are not marked, failed: [{id, code: the SQLSTATE, constraint}]}; 55P03: another session had it locked for a second. Makes deferred constraints immediate for the rest of the transaction. Recorded in nightshift.restores. statement_timeout 8 s. Errors, nothing restored: NS404 no policy, NS422.';

create function nightshift.list_restores(relation text default null, max_restores integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
begin atomic
  select coalesce(jsonb_agg(jsonb_build_object(
    'at', r.at, 'relation', r.relation_name, 'restored', r.restored, 'failed', r.failed, 'reasons', r.reasons
  ) order by r.id desc), '[]')
  from (
    select n.* from nightshift.restores n
    where list_restores.relation is null or n.relation_name = list_restores.relation
    order by n.id desc
    limit least(greatest(list_restores.max_restores, 1), 1000)
  ) r;
end;

comment on function nightshift.list_restores is
  'The newest calls of restore_rows first, as one JSON array: at, relation, restored, failed, reasons; of one table, named with its schema, when relation is given. max_restores: 1 to 1000, default 20.';

revoke all on function
  nightshift.trim_restores, nightshift.is_set_by_default, nightshift.check_restore, nightshift.primary_key, nightshift.restore_rows, nightshift.list_restores
from public, anon, authenticated;
grant execute on function nightshift.restore_rows, nightshift.list_restores to service_role;
