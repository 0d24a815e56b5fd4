create or replace function nightshift.scan_time_of(relation regclass)
returns interval
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
as $$
declare
  sample constant bigint := 1000;
  pages constant bigint := nightshift.pages_of(relation);
  leaf record;
  first_page bigint;
  rows_read bigint;
  begun_at timestamptz;
begin
  select l.relation, pg_relation_size(l.relation) / current_setting('block_size')::bigint as pages into leaf
  from nightshift.all_leaf_relations(scan_time_of.relation) l(relation)
  order by pages desc
  limit 1;
  if not found then
    return '0';
  end if;
  -- From its middle: what has just been written or read, and lies in memory, is at the ends.
  first_page := greatest(leaf.pages - sample, 0) / 2;
  begun_at := clock_timestamp();
  execute format('select count(*) from only %s r where r.ctid >= $1 and r.ctid < $2', nightshift.trusted_name(leaf.relation))
  into rows_read
  using ('(' || first_page || ',0)')::tid, ('(' || first_page + sample || ',0)')::tid;
  return (clock_timestamp() - begun_at) * greatest(pages::double precision / sample, 1);
end;
$$;

comment on function nightshift.scan_time_of is
  'About how long Postgres takes to read a table from end to end, with its partitions: told from 1,000 pages of it.';
