-- Health check database_size: how large this database is.
-- Why: on a full disk it takes no more writes; only you know how large the disk is.
-- Locks: none; it asks the file system for every file of the database, about 2 ms for each 1,000.

create or replace function nightshift.health_database_size(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    format('database %I', current_database()),
    size.bytes::numeric,
    pg_size_pretty(size.bytes),
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    null::numeric, null::numeric, null::numeric, null::text
  from (select pg_database_size(current_database()) as bytes) size;
end;
$$;

comment on function nightshift.health_database_size is
  'Bytes of this database. It has no thresholds until you set them to 80 and 90 percent of your disk; of one of 8 GB: select nightshift.set_health_threshold(''database_size'', warning => 6400000000, critical => 7200000000). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'database_size',
  title => 'Size of the database',
  healthy => 'It has not reached any size that you have set with set_health_threshold.',
  why => 'A full disk makes the database read-only; set warning and critical to 80 and 90 percent of yours, for 8 GB: select nightshift.set_health_threshold(''database_size'', warning => 6400000000, critical => 7200000000).',
  unit => 'bytes'
);
