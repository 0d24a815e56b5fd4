create or replace function nightshift.soft_delete_advice(settings nightshift.soft_delete_tables, unique_among_active text[] default null)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('statement', a.statement, 'why', a.why, 'lock', a.lock) order by a.position, a.statement), '[]')
    from (
      select 1, format('revoke %s on %s from %s;', string_agg(distinct lower(g.privilege_type), ', '), settings.relation,
          string_agg(distinct quote_ident(r.rolname), ', ')),
        format('%s can delete its rows for good.', string_agg(distinct r.rolname, ' and ')), 'ACCESS EXCLUSIVE for a moment'
      from pg_catalog.pg_class c
      cross join lateral aclexplode(c.relacl) g
      join pg_catalog.pg_roles r on r.oid = g.grantee and r.oid in (select nightshift.api_roles())
      where c.oid = settings.relation and g.privilege_type in ('DELETE', 'TRUNCATE')
      having count(*) > 0
      union all
      select 2, format('select nightshift.enable_soft_delete(%L, unique_among_active => array[%L]);', settings.relation::text,
          (select string_agg(quote_ident(a.attname), ', ' order by u.position)
           from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality u(attnum, position)
           join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum)),
        format('%s holds among deleted rows, too: nobody can use their values again.', i.indexrelid::regclass), 'SHARE until the index is built, then ACCESS EXCLUSIVE for a moment'
      from pg_catalog.pg_index i
      where i.indrelid = settings.relation and i.indisunique and not i.indisprimary and i.indpred is null and i.indexprs is null
        and not exists (select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid)
        -- The primary key keeps others from those values in any case.
        and not exists (
          select from pg_catalog.pg_index k
          where k.indrelid = i.indrelid and k.indisprimary and k.indkey[0:k.indnkeyatts - 1] <@ i.indkey[0:i.indnkeyatts - 1]
        )
        and not exists (
          select from unnest(unique_among_active) u
          where array(select c from unnest(nightshift.listed_names(nightshift.columns_named(settings.relation, u))) c order by 1)
            = array(select quote_ident(c.name) from nightshift.index_columns(i.indexrelid) c order by 1)
        )
      union all
      select 3, format('create index concurrently on %s (%s);', s.referencing, nightshift.key_columns(c.oid)),
        format('Without it, each deletion in %s reads all of %s.', s.relation, s.referencing), 'none that readers or writers wait for'
      from nightshift.soft_delete_cascades s
      join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
      where s.relation = settings.relation and nightshift.is_large(s.referencing)
        and not exists (
          select from pg_catalog.pg_index i where i.indrelid = s.referencing and i.indisvalid and i.indkey[0] = c.conkey[1] and i.indpred is null
        )
      union all
      select 4, format('grant %s on %s to authenticated;', concat_ws(', ', format('select (%s)', m.not_read), format('update (%s)', m.not_written)), settings.relation),
        'Users may call soft_delete and restore for it, and are refused for want of these rights.', 'ACCESS EXCLUSIVE for a moment'
      from (
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (where r.is_read and not has_column_privilege('authenticated', a.attrelid, a.attnum, 'SELECT')) as not_read,
          string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (where r.is_written and not has_column_privilege('authenticated', a.attrelid, a.attnum, 'UPDATE')) as not_written
        from pg_catalog.pg_attribute a
        cross join lateral (
          select a.attname in (settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column, settings.flag_column),
            a.attname in (settings.marker_column, settings.operation_column, settings.flag_column)
              or a.attname in (select k.name from nightshift.key_of(settings.relation) k)
        ) r(is_written, is_read)
        where settings.for_users and to_regrole('authenticated') is not null and a.attrelid = settings.relation and a.attnum > 0 and not a.attisdropped
      ) m
      where num_nonnulls(m.not_read, m.not_written) > 0
      union all
      select distinct 5, format('select nightshift.enable_soft_delete(%L, for_users => true);', s.referencing::text),
        format('Users are refused in %s, since rows of %s go along and are not for them.', settings.relation, s.referencing), 'none'
      from nightshift.soft_delete_cascades s
      join nightshift.soft_delete_tables t on t.relation = s.referencing
      where settings.for_users and s.relation = settings.relation and not t.for_users
      union all
      select 6, format('revoke update on %s from %s;', string_agg(p.name, ', ' order by p.name), p.grantee),
        'An update straight to a partition is not in the history.', 'ACCESS EXCLUSIVE for a moment'
      from (
        select t.relid::regclass::text as name, case g.grantee when 0 then 'public' else g.grantee::regrole::text end as grantee
        from pg_catalog.pg_partition_tree(settings.relation) t
        join pg_catalog.pg_class c on c.oid = t.relid
        cross join lateral aclexplode(c.relacl) g
        where t.level > 0 and g.privilege_type = 'UPDATE' and (g.grantee = 0 or g.grantee in (select nightshift.api_roles()))
      ) p
      group by p.grantee
      union all
      select 7, string_agg(format('grant %s on %s to %s;', g.privileges, g.view, g.grantee), ' ' order by g.view::text),
        format('%s may read %s, and was let to it after its views were made.', g.grantee, settings.relation), 'none on the table'
      from (
        select v.oid::regclass as view, r.name as grantee, string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as privileges
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_class active on active.oid = to_regclass(format('%I.%I', n.nspname, left('active_' || c.relname, 63)))
        -- Before Postgres 17, IN would ask for the views once for each relation of the database.
        cross join lateral nightshift.soft_delete_views(c.oid) w(oid)
        join pg_catalog.pg_class v on v.oid = w.oid
        cross join lateral aclexplode(c.relacl) a
        cross join lateral (select case a.grantee when 0 then 'public' else a.grantee::regrole::text end) r(name)
        where c.oid = settings.relation and settings.views and a.grantee <> c.relowner
          and has_table_privilege(a.grantee, c.oid, 'SELECT') and not has_any_column_privilege(a.grantee, active.oid, 'SELECT')
          and (a.privilege_type = 'SELECT' or a.privilege_type in ('INSERT', 'UPDATE') and v.oid = active.oid)
        group by v.oid, r.name
      ) g
      group by g.grantee
    ) a(position, statement, why, lock)
  );
end;
$$;

comment on function nightshift.soft_delete_advice is
  'What makes a table with soft delete unsafe or slow: [{statement, why, lock}]. DELETE granted to users, unique indexes that hold among deleted rows, foreign keys of cascades without an index, rights that users lack where it is for them, tables that go along and are not for them, partitions that are written past the history, views that are not granted to who was let to the table since. unique_among_active: lists of columns that are about to be.';
