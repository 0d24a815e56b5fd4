create or replace function nightshift.partitions_below(relation regclass)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  level oid[] := array[relation::oid];
begin
  -- pg_partition_tree looks up the ancestors of each partition as well, which takes several times as long.
  while level <> '{}' loop
    return query select unnest(level);
    level := array(
      select i.inhrelid
      from pg_catalog.pg_class c
      -- Half detached, it is no partition to whoever reads the table.
      join pg_catalog.pg_inherits i on i.inhparent = c.oid and not i.inhdetachpending
      where c.oid = any(level) and c.relkind = 'p'
    );
  end loop;
end;
$$;

comment on function nightshift.partitions_below is 'A table, and its partitions at every level.';
