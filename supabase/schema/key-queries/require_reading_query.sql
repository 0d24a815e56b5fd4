-- Whether a text is one query that only reads, and that runs nobody's code but that of trusted roles.
-- Why: it is run at night with the rights of the owner. That the transaction is read-only keeps it from writing rows, and from
--      nothing else that a function can do; and whoever owns a table or a function in it could put code of theirs in its place.
-- How: Postgres itself takes it apart, as the query of a view that is undone at once. To make a view runs nothing of it.
-- Locks: ACCESS SHARE of what it reads, for a moment.

create or replace function nightshift.require_reading_query(query text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
  own_role constant oid := current_user::regrole;
  analysis refcursor;
  relations oid[];
  rules oid[];
  tree text;
  culprit record;
begin
  begin
    -- A cursor takes one statement, and refuses more before it runs any. One that explains plans nothing until it is read.
    open analysis for execute format(E'explain %s\n', query);
    close analysis;
    execute format(E'create view nightshift.key_query_looked_at as select 1 as one from (%s\n) query', query);

    select array_agg(r.relation::oid) || 'nightshift.key_query_looked_at'::regclass::oid into relations
    from nightshift.view_reads('nightshift.key_query_looked_at', partitions => false) r;
    -- Tables that inherit are read as well, and each has its owner. Partitions find_stranger follows by itself.
    with recursive heir(oid) as (
      select c.oid from pg_catalog.pg_class c where c.oid = any(relations) and c.relkind = 'r' and c.relhassubclass
      union
      select i.inhrelid from heir h join pg_catalog.pg_inherits i on i.inhparent = h.oid
    )
    select array_agg(distinct a.oid) into relations
    from (select unnest(relations) union all select h.oid from heir h) a(oid);
    select array_agg(w.oid), string_agg(w.ev_action::text, ' ') into rules, tree
    from pg_catalog.pg_rewrite w
    join pg_catalog.pg_class c on c.oid = w.ev_class
    where c.oid = any(relations) and c.relkind = 'v';

    if tree ~ ':rowMarks \(' then
      raise exception using
        errcode = 'NS422',
        message = 'The query locks rows',
        hint = 'Leave out FOR UPDATE, FOR SHARE and the like: a key query only reads.';
    end if;

    select p.oid::regprocedure as function, p.provolatile = 'v' as is_volatile, p.proowner::regrole as owner,
      p.pronamespace = 'pg_catalog'::regnamespace as is_built_in, reader.reads_all
    into culprit
    from nightshift.called_functions(tree) f
    join pg_catalog.pg_proc p on p.oid = f.function
    -- They are stable, and run the views of everybody.
    cross join lateral (
      select p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^(table|schema|database)_to_xml'
    ) reader(reads_all)
    where p.provolatile = 'v' or reader.reads_all or not pg_has_role(p.proowner, own_role, 'usage')
    order by p.provolatile = 'v' desc, p.oid
    limit 1;
    if culprit.function is not null and culprit.is_volatile then
      raise exception using
        errcode = 'NS422',
        message = format('The query calls %s, which is volatile: it may write, or do something else than read', culprit.function),
        hint = case when culprit.is_built_in then 'A key query calls only functions that are stable or immutable. Leave this one out.'
          else format('If it only reads, say so: alter function %s stable;', culprit.function) end;
    elsif culprit.reads_all then
      raise exception using
        errcode = 'NS422',
        message = format('The query calls %s, which reads tables and views that the query does not name', culprit.function),
        hint = 'Name what it reads: select from it.';
    elsif culprit.function is not null then
      raise exception using
        errcode = 'NS422',
        message = format('The query calls %s, which belongs to %I', culprit.function, culprit.owner),
        detail = format('It would run with the rights of %I, which that role does not have.', current_user),
        hint = nightshift.hint_for_owner(culprit.owner, format('alter function %s owner to %I;', culprit.function, current_user));
    end if;

    perform nightshift.require_trusted(array(
      select c.oid from pg_catalog.pg_class c
      where c.oid = any(relations) and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> 'key_query_looked_at'
    ));

    -- Operators and types: a type may have casts and checks.
    select pg_describe_object(d.refclassid, d.refobjid, 0) as object, o.owner into culprit
    from pg_catalog.pg_depend d
    cross join lateral (
      select coalesce(
        (select y.typowner from pg_catalog.pg_type y where d.refclassid = 'pg_catalog.pg_type'::regclass and y.oid = d.refobjid),
        (
          select s.refobjid from pg_catalog.pg_shdepend s
          where s.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
            and s.classid = d.refclassid and s.objid = d.refobjid and s.objsubid = 0 and s.deptype = 'o'
        )
      )
    ) o(owner)
    where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = any(rules)
      and d.refclassid <> 'pg_catalog.pg_class'::regclass and not pg_has_role(o.owner, own_role, 'usage')
    limit 1;
    if culprit.object is not null then
      raise exception using
        errcode = 'NS422',
        message = format('The query uses %s, which belongs to %I', culprit.object, culprit.owner::regrole),
        detail = format('Code of it would run with the rights of %I, which that role does not have.', current_user),
        hint = nightshift.hint_for_owner(culprit.owner, format('Give it to %I, or leave it out.', current_user));
    end if;

    -- So the view is gone.
    raise exception using errcode = 'NS200';
  exception
    when sqlstate 'NS200' then null;
    when invalid_cursor_definition then
      raise exception using
        errcode = 'NS422',
        message = 'That is more than one statement',
        detail = 'Nothing of it was run.',
        hint = 'Declare one SELECT. A second one is a key query of its own.';
    when syntax_error_or_access_rule_violation or data_exception or feature_not_supported or invalid_schema_name or program_limit_exceeded then
      raise exception using
        errcode = 'NS422',
        message = 'That is no query that can be watched: ' || sqlerrm,
        detail = 'Nothing of it was run.',
        hint = case
          when sqlstate in ('42P01', '42883', '42704', '3F000') then
            'Write each name with its schema, as in public.orders: names without one are looked for in pg_catalog alone. An operator of an extension is written as in operator(extensions.<->).'
          when sqlstate = '42P02' then 'Nobody will give it a parameter: write a typical value in its place.'
          when sqlstate = '42501' then format('%I runs it, and needs the right to.', current_user)
          else 'Declare one SELECT that only reads: WITH may not insert, update or delete, and nothing is selected INTO a table.'
        end;
  end;
end;
$$;

comment on function nightshift.require_reading_query is
  'Raises NS422, with the fix in the hint, unless the text is one SELECT (or VALUES, TABLE) without writing parts and locks, of relations, functions, operators and types whose owners have the rights of the owner of these functions (see find_stranger), and calls no volatile function: through views, defaults and bodies that are begin atomic as well, but not through what other bodies do. Nothing of the text is run or planned.';
