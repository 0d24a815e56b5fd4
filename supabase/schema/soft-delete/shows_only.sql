create or replace function nightshift.shows_only(view_oid oid, settings nightshift.soft_delete_tables, kind text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    -- Since version 16 Postgres prints a column without its table where there is one table only.
    cross join lateral unnest(array['', quote_ident(c.relname) || '.']) p(prefix)
    cross join lateral (
      select p.prefix || quote_ident(settings.marker_column), p.prefix || quote_ident(settings.flag_column)
    ) q(marker, flag)
    cross join lateral unnest(case kind
      when 'active' then array[q.marker || ' IS NULL', q.flag || ' IS NOT TRUE', 'NOT ' || q.flag, q.flag || ' = false']
      else array[q.marker || ' IS NOT NULL', q.flag || ' IS TRUE', q.flag, q.flag || ' = true'] end) w(condition)
    where c.oid = settings.relation
      and pg_get_viewdef(view_oid, true) = format(E' SELECT %s\n   FROM %I.%I\n  WHERE %s;', (
        select string_agg(p.prefix || quote_ident(a.attname), E',\n    ' order by a.attnum)
        from pg_catalog.pg_attribute a where a.attrelid = view_oid and a.attnum > 0 and not a.attisdropped
      ), n.nspname, c.relname, w.condition)
  );
$$;

comment on function nightshift.shows_only is
  'Whether a view shows columns of a table with soft delete as they are, of the rows that are not deleted (kind: active) or are (deleted), and of no others. One with an alias, or that says the same in another way, is not known as such.';
