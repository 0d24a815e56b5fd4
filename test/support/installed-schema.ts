import type { Sql } from 'postgres';

/**
 * All that is in the schema nightshift, a line each, the same on every version of Postgres: what there is, its shape, settings,
 * privileges of others than the owner, and comment. Bodies of functions only where they are asked for.
 */
export async function describeInstalled(
  sql: Sql,
  { bodies = false }: { bodies?: boolean } = {},
): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    with home as (select n.* from pg_namespace n where n.nspname = 'nightshift'),
    relation as (select c.* from pg_class c join home h on h.oid = c.relnamespace),
    thing(name, shape, acl, comment) as (
      select 'schema nightshift', null, h.nspacl, obj_description(h.oid, 'pg_namespace') from home h
      union all
      select
        format('function %s(%s)', p.proname, pg_get_function_arguments(p.oid)),
        concat_ws(' ',
          'returns', pg_get_function_result(p.oid), l.lanname,
          case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
          case when p.prosecdef then 'security definer' end,
          case when p.proisstrict then 'strict' end,
          'set ' || array_to_string(array(select unnest(p.proconfig) order by 1), '; '),
          case when ${bodies} then p.prosrc end),
        p.proacl, obj_description(p.oid, 'pg_proc')
      from home h join pg_proc p on p.pronamespace = h.oid join pg_language l on l.oid = p.prolang
      union all
      select
        format('%s %s', case c.relkind when 'S' then 'sequence' when 'i' then 'index' when 'I' then 'index' when 'c' then 'type' else 'table' end, c.relname),
        concat_ws(' ',
          case when c.relkind in ('i', 'I') then pg_get_indexdef(c.oid) end,
          case when c.relrowsecurity then 'row level security' end,
          array_to_string(c.reloptions, ', ')),
        c.relacl, coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type'))
      from relation c
      union all
      select
        format('column %s.%s', c.relname, a.attname),
        concat_ws(' ',
          format_type(a.atttypid, a.atttypmod),
          case when a.attnotnull then 'not null' end,
          'default ' || pg_get_expr(d.adbin, d.adrelid),
          case when a.attidentity <> '' then 'identity' end),
        a.attacl, col_description(c.oid, a.attnum)
      from relation c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      -- Since Postgres 17 a partition has the identity of its table.
      where c.relkind in ('r', 'p', 'c') and not c.relispartition
      union all
      select format('constraint %s on %s', o.conname, c.relname), pg_get_constraintdef(o.oid), null, obj_description(o.oid, 'pg_constraint')
      from relation c join pg_constraint o on o.conrelid = c.oid
      -- Since Postgres 18 there is one for each column that is not null.
      where o.contype <> 'n'
      union all
      select format('trigger %s on %s', t.tgname, c.relname), pg_get_triggerdef(t.oid), null, obj_description(t.oid, 'pg_trigger')
      from relation c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
      union all
      select format('policy %s on %s', p.polname, c.relname), pg_get_expr(p.polqual, c.oid), null, null
      from relation c join pg_policy p on p.polrelid = c.oid
      union all
      select 'health check ' || k.name, k::text, null, null from nightshift.health_checks k
    )
    select concat_ws(E'\n    ', t.name, nullif(t.shape, ''), 'to ' || g.grants, t.comment) as line
    from thing t
    cross join lateral (
      select string_agg(grants.line, '; ' order by grants.line) as grants
      from (
        select format('%s: %s', coalesce(r.rolname, 'public'), string_agg(lower(x.privilege_type), ', ' order by x.privilege_type)) as line
        from home h
        cross join lateral aclexplode(t.acl) x
        left join pg_roles r on r.oid = x.grantee
        where x.grantee <> h.nspowner
        group by r.rolname
      ) grants
    ) g
    order by t.name collate "C"`;
  return rows.map(({ line }) => line);
}
