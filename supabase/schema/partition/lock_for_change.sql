create or replace function nightshift.lock_for_change(parent regclass, default_partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What Postgres is going to lock at the other end of foreign keys: waited for later, with the table locked already, a
  -- writer of both would be in a deadlock.
  others regclass[] := array(
    select distinct o.relation::regclass
    from pg_catalog.pg_constraint k
    cross join lateral unnest(array[k.conrelid, k.confrelid]) o(relation)
    where lock_for_change.parent in (k.conrelid, k.confrelid) and k.contype = 'f' and k.conparentid = 0
      and o.relation <> lock_for_change.parent
    order by 1
  );
begin
  perform nightshift.lock_in_turn(
    array_remove(others || parent || default_partition, null),
    array_fill('share row exclusive'::text, array[cardinality(others)])
      || array_fill('access exclusive'::text, array[1 + num_nonnulls(default_partition)])
  );
end;
$$;

comment on function nightshift.lock_for_change is
  'Locks a table, its default partition and the tables at the other end of its foreign keys, so that rows can change partition or a partition can go. Waits no longer than lock_timeout in all.';
