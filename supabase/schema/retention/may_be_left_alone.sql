create or replace function nightshift.may_be_left_alone(leaf regclass, as_of timestamptz)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
begin
  return exists (
    select
    from pg_catalog.pg_partition_ancestors(leaf) a(relid)
    join pg_catalog.pg_inherits i on i.inhrelid = a.relid
    join nightshift.partition_policies p on p.parent = i.inhparent and p.enabled and p.retention is not null
    join pg_catalog.pg_class c on c.oid = a.relid
    -- Years of four digits; whatever else an end may be, is not read here.
    where (substring(pg_get_expr(c.relpartbound, 0) from '\) TO \(''(\d{4}-\d\d-\d\d[^B'']*)''')::timestamptz at time zone 'UTC'
      > least(may_be_left_alone.as_of, now()) at time zone 'UTC' - p.retention) is not true
  );
end;
$$;

comment on function nightshift.may_be_left_alone is
  'Whether a leaf may be among what is left to a partition policy (see partitions_to_retire): not while it, and whatever it is a part of, has not ended long enough ago. Much quicker, for most.';
