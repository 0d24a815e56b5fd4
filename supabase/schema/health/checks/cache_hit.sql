-- Health check cache_hit: how many reads of blocks found them in shared_buffers.
-- Why: a working set that no longer fits into memory makes everything slower at once.

create or replace function nightshift.health_cache_hit(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    'all tables and indexes',
    round(100.0 * d.blks_hit / (d.blks_hit + d.blks_read), 2),
    format('%s of %s block reads had to ask the operating system%s', nightshift.figure(d.blks_read), nightshift.figure(d.blks_hit + d.blks_read),
      ', since ' || to_char(d.stats_reset, 'YYYY-MM-DD')),
    'select relid::regclass, heap_blks_read + coalesce(idx_blks_read, 0) as blocks_read '
      || 'from pg_statio_user_tables order by 2 desc limit 20;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_database d
  -- After a start, or a reset of the statistics, fewer reads say little: nothing is in memory yet.
  where d.datname = current_database() and d.blks_hit + d.blks_read >= 1000000;
end;
$$;

comment on function nightshift.health_cache_hit is
  'Reads of blocks of this database that shared_buffers served, in percent; nothing while there were fewer than 1,000,000. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'cache_hit',
  title => 'Reads served from memory',
  healthy => 'Nearly all that is read is in memory.',
  why => 'What is not in memory comes from disk, a hundred times slower: more memory is needed, or an index where whole tables are read.',
  unit => 'percent', worse => 'lower', info => 99, warning => 94
);
