import type { Sql } from 'postgres';

/**
 * All that a schema says of its tables, in words: columns, constraints, indexes, triggers, policies, rights, owners, comments,
 * storage, statistics targets, publications, views and functions.
 */
export async function describeSchema(sql: Sql, schema: string): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    with relations as (
      select c.* from pg_class c where c.relnamespace = ${schema}::text::regnamespace
    )
    select format('%s %s %s owner=%s acl=%s options=%s rls=%s/%s replica=%s persistence=%s partition=%s/%s', c.relkind, c.relname,
      c.reltuples >= 0, c.relowner::regrole, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
      c.relpersistence, c.relispartition, pg_get_expr(c.relpartbound, c.oid)) as line
    from relations c
    union all
    select format('%s.%s %s null=%s default=%s acl=%s stats=%s storage=%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      not a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attacl, a.attstattarget, a.attstorage)
    from relations c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    union all
    select format('%s constraint %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    from pg_constraint where connamespace = ${schema}::text::regnamespace
    union all
    select format('%s %s', pg_get_indexdef(i.indexrelid), i.indisvalid) from pg_index i join relations c on c.oid = i.indexrelid
    union all
    select format('%s %s', pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger t join relations c on c.oid = t.tgrelid where not t.tgisinternal
    union all
    select format('policy %s on %s: %s %s', p.polname, c.relname, pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))
    from pg_policy p join relations c on c.oid = p.polrelid
    union all
    select pg_get_viewdef(c.oid) from relations c where c.relkind in ('v', 'm')
    union all
    select pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') from pg_proc p where p.pronamespace = ${schema}::text::regnamespace
    union all
    select format('comment on %s %s: %s', d.classoid::regclass, coalesce(c.relname, d.objoid::text), d.description)
    from pg_description d join relations c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
    union all
    select format('published %s in %s', c.relname, p.pubname)
    from pg_publication_rel r join pg_publication p on p.oid = r.prpubid join relations c on c.oid = r.prrelid
    order by 1`;
  return rows.map(({ line }) => line);
}
