create or replace function nightshift.join_conditions(keys oid[])
returns table (key oid, condition text)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with columns as materialized (
    select k.oid as key, u.position, u.operator, referenced.attname as referenced, referencing.attname as referencing,
      case when referenced.attcollation <> referencing.attcollation
        then nightshift.key_collation(referenced.attcollation, referencing.attcollation) end as "collation"
    from unnest(keys) a(key)
    -- One by one, by their indexes, however many constraints there are.
    cross join lateral (select c.* from pg_catalog.pg_constraint c where c.oid = a.key offset 0) k
    cross join lateral unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality u(conkey, confkey, operator, position)
    cross join lateral (
      select a.attname, a.attcollation from pg_catalog.pg_attribute a where a.attrelid = k.conrelid and a.attnum = u.conkey offset 0
    ) referencing
    cross join lateral (
      select a.attname, a.attcollation from pg_catalog.pg_attribute a where a.attrelid = k.confrelid and a.attnum = u.confkey offset 0
    ) referenced
  ),
  operators as materialized (
    select d.operator, o.*
    from (select distinct c.operator from columns c) d
    cross join lateral nightshift.trusted_operator(d.operator) o
  )
  select c.key, string_agg(format('t.%I%s%s %s x.%I%s%s',
    c.referenced, o.cast_left, l.collated, o.name, c.referencing, o.cast_right, l.collated), ' and ' order by c.position)
  from columns c
  join operators o on o.operator = c.operator
  cross join lateral (
    select coalesce((
      select format(' collate %I.%I', n.nspname, l.collname)
      from pg_catalog.pg_collation l join pg_catalog.pg_namespace n on n.oid = l.collnamespace
      where l.oid = c."collation"
    ), '')
  ) l(collated)
  group by c.key;
end;
$$;

comment on function nightshift.join_conditions is
  'For each of these foreign keys, the SQL condition on which rows of it belong together: t is the referenced table, x the referencing one. Errors: NS422 (see trusted_operator).';
