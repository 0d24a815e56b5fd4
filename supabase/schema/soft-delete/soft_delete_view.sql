create or replace function nightshift.soft_delete_view(settings nightshift.soft_delete_tables, kind text, out view_name text, out statements text, out taken_over boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant regclass := settings.relation;
  owner name;
  source text;
  columns text;
  description constant text := case kind when 'active' then 'The rows that are not deleted of ' else 'The deleted rows of ' end;
  existing record;
  is_same boolean;
  is_own boolean;
  losing text;
  reads text;
begin
  select c.relowner::regrole::text, format('%I.%I', n.nspname, c.relname), format('%I.%I', n.nspname, left(kind || '_' || c.relname, 63))
  into owner, source, view_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = relation;
  columns := (
    select string_agg(quote_ident(c.name), ', ' order by c.position)
    from (
      select a.attname, a.attnum::integer
      from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      union all
      -- Those that are added before the view is made.
      select m.name, 10000 + m.position::integer
      from unnest(array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column])
        with ordinality m(name, position)
      where nightshift.column_type(relation, m.name) is null
    ) c(name, position)
  );
  select c.oid, c.relkind,
    coalesce(c.reloptions @> array['security_invoker=true'], false) or coalesce(c.reloptions @> array['security_invoker=on'], false) as invoker,
    string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
  into existing
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.oid = to_regclass(view_name)
  group by c.oid;
  is_same := existing.oid is null or nightshift.shows_only(existing.oid, settings, kind);
  -- One of Nightshift that was changed since is known by its comment, and made anew.
  is_own := starts_with(coalesce(obj_description(existing.oid, 'pg_class'), ''), description);
  if existing.relkind <> 'v' or not is_same and not is_own then
    raise exception using
      errcode = 'NS422',
      message = format(case existing.relkind when 'v' then '%s is there already, and shows something else' else '%s is there already, and is no view' end, view_name),
      hint = format('Rename it, or do without the views: select nightshift.enable_soft_delete(%L, views => false);', relation::text);
  end if;
  if not existing.invoker and not is_own then
    -- With the rights of its owner it may show rows to who may not read the table.
    select string_agg(distinct g.grantee, ', '), string_agg(distinct g.privilege, ', ') into losing, reads
    from (
      select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee, lower(a.privilege_type) as privilege
      from pg_catalog.pg_class v cross join lateral aclexplode(v.relacl) a
      where v.oid = existing.oid and a.grantee <> v.relowner
        and a.privilege_type = any(case kind when 'active' then array['SELECT', 'INSERT', 'UPDATE'] else array['SELECT'] end)
        and not has_any_column_privilege(case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end, relation, a.privilege_type)
    ) g;
    if losing is not null then
      raise exception using
        errcode = 'NS422',
        message = format('%s is there already, and who may not use %s itself uses it: %s', view_name, relation, losing),
        detail = 'The view would get the rights of who reads it, and they would lose it. Nothing was changed.',
        hint = format('Let them: grant %1$s on %2$s to %3$s; with row level security that says of which rows. Or end it: revoke %1$s on %4$s from %3$s; Or rename it, or do without the views: select nightshift.enable_soft_delete(%5$L, views => false);',
          reads, source, losing, view_name, relation::text);
    end if;
  end if;
  if is_same and existing.columns = columns and existing.invoker then
    return;
  end if;
  taken_over := existing.oid is not null and not is_own;
  statements := concat_ws(E'\n',
    -- A view can only get columns at its end.
    case when existing.oid is not null and strpos(columns || ',', existing.columns || ',') <> 1 then format('drop view %s;', view_name) end,
    format('create or replace view %s with (security_invoker = true%s) as select %s from %s where %s;',
      view_name, case kind when 'active' then ', check_option = local' else '' end, columns, source,
      case when settings.flag_column is null then format('%I is %s', settings.marker_column, case kind when 'active' then 'null' else 'not null' end)
        else format('%I is %s', settings.flag_column, case kind when 'active' then 'not true' else 'true' end) end),
    format('alter view %s owner to %s;', view_name, owner),
    format('comment on view %s is %L;', view_name, description || relation::text
      || coalesce('. ' || obj_description(relation, 'pg_class'), '')),
    -- What default privileges give would be more than the table gives.
    (select format('revoke all on %s from %s;', view_name, string_agg(r.name, ', '))
     from (select 'public' as name union all select r.rolname from pg_catalog.pg_roles r where r.oid in (select nightshift.api_roles())) r),
    (
      select string_agg(format('grant %s on %s to %s;', a.privileges, view_name, a.grantee), E'\n' order by a.grantee)
      from (
        select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as privileges,
          case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
        from pg_catalog.pg_class c cross join lateral aclexplode(c.relacl) a
        where c.oid = relation and a.grantee <> c.relowner
          and a.privilege_type = any(case kind when 'active' then array['SELECT', 'INSERT', 'UPDATE'] else array['SELECT'] end)
        group by a.grantee
      ) a
    ),
    (
      select string_agg(format('grant %s (%I) on %s to %s;', lower(x.privilege_type), a.attname, view_name,
        case x.grantee when 0 then 'public' else x.grantee::regrole::text end), E'\n' order by a.attnum)
      from pg_catalog.pg_attribute a cross join lateral aclexplode(a.attacl) x
      where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
        and x.privilege_type = any(case kind when 'active' then array['SELECT', 'INSERT', 'UPDATE'] else array['SELECT'] end)
    ),
    (
      select string_agg(format('comment on column %s.%I is %L;', view_name, a.attname, col_description(relation, a.attnum)), E'\n' order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and col_description(relation, a.attnum) is not null
    )
  );
end;
$$;

comment on function nightshift.soft_delete_view is
  'The name of the view active_ or deleted_ of a table, and the statements that make it what it should be: all columns of the table, the rights of who reads it, the grants of the table. statements is null where it is so; taken_over: the team has made it. Errors: NS422 something else has that name, or roles use the view of the team who may not use the table.';
