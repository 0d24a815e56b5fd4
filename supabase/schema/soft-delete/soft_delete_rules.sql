create or replace function nightshift.soft_delete_rules(relation regclass, for_caller boolean default true)
returns nightshift.soft_delete_rules
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  settings nightshift.soft_delete_tables;
  rules nightshift.soft_delete_rules;
  marker_type regtype;
  by_type regtype;
  at_time text;
  partitioned boolean;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = soft_delete_rules.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', coalesce(relation::text, 'null')),
      hint = format('select nightshift.enable_soft_delete(%L);', coalesce(relation::text, 'public.orders'));
  end if;
  if for_caller and not settings.for_users and quote_ident(caller)::regrole in (select nightshift.api_roles()) then
    raise exception using
      errcode = 'NS403',
      message = format('Users may not delete or restore rows of %s', relation),
      hint = format('select nightshift.enable_soft_delete(%L, for_users => true);', relation::text);
  end if;

  marker_type := nightshift.column_type(relation, settings.marker_column);
  by_type := nightshift.column_type(relation, settings.by_column);
  if marker_type is null or by_type is null or nightshift.column_type(relation, settings.operation_column) is null
    or nightshift.column_type(relation, settings.reason_column) is null
    or settings.flag_column is not null and nightshift.column_type(relation, settings.flag_column) is null
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s no longer has the columns of its soft delete', relation),
      hint = format('See what is missing: select nightshift.inspect_soft_delete(%L);', relation::text);
  end if;

  rules.relation := relation;
  partitioned := (select c.relkind = 'p' from pg_catalog.pg_class c where c.oid = relation);
  rules.source := case when partitioned then '' else 'only ' end
    || (select format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = relation);
  rules.marker := format('r.%I', settings.marker_column);
  rules.deleted := case when settings.flag_column is null then format('r.%I is not null', settings.marker_column)
    else format('r.%I is true', settings.flag_column) end;
  -- Without a zone it is the time of UTC, whatever the zone of the session.
  at_time := case marker_type when 'timestamptz'::regtype then '%s' when 'date'::regtype then '(%s at time zone ''UTC'')::date'
    else '(%s at time zone ''UTC'')' end;
  -- A uuid is that of a user, and no role can stand there.
  rules.mark := format('%I = %s, %I = %s, %I = $4, %I = $5%s',
    settings.marker_column, format(at_time, '$2'), settings.by_column,
    case by_type when 'uuid'::regtype then 'nullif($3, current_user)::uuid' else '$3' end, settings.reason_column, settings.operation_column,
    case when settings.flag_column is null then '' else format(', %I = true', settings.flag_column) end);
  rules.unmark := format('%I = null, %I = null, %I = null, %I = null%s',
    settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column,
    case when settings.flag_column is null then '' else format(', %I = false', settings.flag_column) end);
  -- As the index of the marker has it, whose rows are those that are deleted.
  rules.of_operation := format('r.%I = %s::%s and r.%I = $2 and %s',
    settings.marker_column, format(at_time, '$1'), nightshift.column_definition_type(relation, settings.marker_column),
    settings.operation_column, rules.deleted);
  -- A date is a whole day, and a time with few digits is rounded: the operation has the moment itself.
  rules.since := format('%3$s and r.%1$I >= %2$s::%4$s and coalesce(nightshift.operation_time(r.%5$I) >= $1, true)',
    settings.marker_column, format(at_time, '$1'), rules.deleted,
    nightshift.column_definition_type(relation, settings.marker_column), settings.operation_column);

  select
    array_agg(k.name order by k.position),
    string_agg(format('%I %s', k.name, k.type), ', ' order by k.position),
    string_agg(format('r.%I%s %s k.%I', k.name, k.cast_left, k.operator, k.name), ' and ' order by k.position),
    -- An array is looked up in one go, all keys of a page of the index at once. There is none of several columns, it cannot tell which
    -- partitions to look into, and where row level security keeps the index from being used, each row would be held against each key.
    case when count(*) = 1 and not partitioned and bool_and(v.is_leakproof) then string_agg(format(
      'r.%1$I%2$s %3$s any (array(select k.%1$I from pg_catalog.jsonb_to_recordset($1) as k(%1$I %4$s)))', k.name, k.cast_left, k.operator, k.type), '')
    else format('exists (select from pg_catalog.jsonb_to_recordset($1) as k(%s) where %s)',
      string_agg(format('%I %s', k.name, k.type), ', ' order by k.position),
      string_agg(format('r.%I%s %s k.%I', k.name, k.cast_left, k.operator, k.name), ' and ' order by k.position)) end,
    string_agg(format('r.%I', k.name), ', ' order by k.position),
    format('jsonb_build_object(%s)', string_agg(format('%L, %s', k.name, v.value), ', ' order by k.position)),
    case count(*) when 1 then format('to_jsonb(%s)', string_agg(v.value, ''))
      else format('jsonb_build_object(%s)', string_agg(format('%L, %s', k.name, v.value), ', ' order by k.position)) end
  into rules.key_names, rules.key_definition, rules.key_match, rules.is_asked, rules.key_order, rules.key_object, rules.key_value
  from nightshift.key_of(relation) k
  -- A type of somebody may have a cast to json of theirs, and the history is written with the rights of the owner of Nightshift.
  -- Its text needs no more than its output function, and only a superuser makes one.
  cross join lateral (
    select format(case when coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace then 'r.%I' else 'format(''%%s'', r.%I)' end, k.name),
      coalesce((
        select p.proleakproof
        from pg_catalog.pg_operator o
        join pg_catalog.pg_proc p on p.oid = o.oprcode
        where o.oid = to_regoperator(format('%2$s(%1$s,%1$s)', k.type, substring(k.operator from '^operator\((.*)\)$')))
      ), false)
    from pg_catalog.pg_type t
    left join pg_catalog.pg_type b on b.oid = t.typbasetype
    where t.oid = nightshift.column_type(soft_delete_rules.relation, k.name)
  ) v(value, is_leakproof);
  if rules.key_names is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has no primary key', relation),
      hint = 'Rows are named by the value of their primary key: add one.';
  end if;
  rules.has_parents := exists (
    select from nightshift.soft_delete_cascades s where s.referencing = soft_delete_rules.relation and s.relation <> s.referencing
  );
  rules.trigger_path := (select s.trigger_search_path || ', pg_temp' from nightshift.settings s);
  return rules;
end;
$$;

comment on function nightshift.soft_delete_rules is
  'How rows of a table are deleted and restored, as pieces of SQL. Names and types only, so whoever may delete rows of it may know. for_caller: whether they are to be deleted or restored by whoever calls. Errors: NS404 soft delete is not enabled, NS403 it is not for users, NS422 the table has changed.';
