create or replace function nightshift.partitions_before(relation regclass, column_name name, cutoff timestamptz)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  level oid[] := array[relation::oid];
begin
  loop
    return query select unnest(level);
    exit when not exists (select from pg_catalog.pg_class c where c.oid = any(level) and c.relkind = 'p');
    level := array(
      select p.oid
      from pg_catalog.pg_class c
      left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = column_name and not a.attisdropped
      left join pg_catalog.pg_partitioned_table t on t.partrelid = c.oid and t.partstrat = 'r' and t.partattrs[0] = a.attnum
        -- In the usual order of times, not in one of somebody's own.
        and exists (select from pg_catalog.pg_opclass o where o.oid = t.partclass[0] and o.opcdefault)
      join pg_catalog.pg_inherits i on i.inhparent = c.oid and not i.inhdetachpending
      join pg_catalog.pg_class p on p.oid = i.inhrelid
      where c.oid = any(level) and c.relkind = 'p'
        and (
          t.partrelid is null
          -- Years of four digits: what lies before or far ahead of them, or has no beginning, is looked at.
          or (substring(pg_get_expr(p.relpartbound, 0) from '^FOR VALUES FROM \(''(\d{4}-\d\d-\d\d[^B'']*)''')::timestamptz >= cutoff)
            is not true
        )
    );
  end loop;
end;
$$;

comment on function nightshift.partitions_before is
  'A table, and its partitions at every level, without those that can have no row with a time in column_name before cutoff, because their bounds say so.';
