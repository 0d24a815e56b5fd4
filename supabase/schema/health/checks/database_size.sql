-- Health check database_size: how large this database is.
-- Why: on a full disk it takes no more writes; only you know how large the disk is (nightshift.settings).
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
    case when s.size_limit_bytes is null
      then format('%s; how large it may be is not known: update nightshift.settings set size_limit_bytes = 8000000000, size_limit_kind = ''disk''',
        pg_size_pretty(size.bytes))
      else format('%s of %s', pg_size_pretty(size.bytes), pg_size_pretty(s.size_limit_bytes)) end,
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    null::numeric, 0.8 * s.size_limit_bytes, 0.9 * s.size_limit_bytes, null::text
  from (select pg_database_size(current_database()) as bytes) size
  cross join nightshift.settings s;
end;
$$;

comment on function nightshift.health_database_size is
  'Bytes of this database. Its thresholds are 80 and 90 percent of settings.size_limit_bytes; without that it has none. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'database_size',
  title => 'Size of the database',
  healthy => 'It is well below the limit in nightshift.settings, if there is one.',
  why => 'At its limit the database becomes read-only.',
  unit => 'bytes'
);
