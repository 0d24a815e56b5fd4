create or replace function nightshift.stuck_column(key oid)
returns name
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select a.attname
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(coalesce(nullif(c.confdelsetcols, '{}'), c.conkey))
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.oid = stuck_column.key and a.attnotnull and (c.confdeltype = 'n' or d.oid is null)
  order by a.attnum
  limit 1;
$$;

comment on function nightshift.stuck_column is
  'A column that cannot be set to null, or has no default, as the ON DELETE of its foreign key says; null when there is none.';
