create or replace function nightshift.way_into_leaf(leaf regclass, marker_column name, due text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- To read so many takes less time than to ask how.
  few_blocks constant integer := 16;
  plan jsonb;
  leaf_table record;
  all_rows real;
  null_share real;
  due_rows double precision;
begin
  if exists (select from pg_catalog.pg_class c where c.oid = leaf and c.relispartition)
    and pg_relation_size(leaf) < few_blocks * current_setting('block_size')::integer
  then
    return case when nightshift.has_due_rows(leaf, marker_column, due) then 'sweep' end;
  end if;
  if nightshift.marker_walk(leaf, marker_column, due) is distinct from 'index' then
    return 'sweep';
  elsif nightshift.dead_rows(array[leaf::oid]) > greatest(100000, 4 * pg_relation_size(leaf) / current_setting('block_size')::integer) then
    -- To step over so many entries of the index takes longer than to read the table.
    return 'sweep';
  elsif not nightshift.has_due_rows(leaf, marker_column, due) then
    return null;
  end if;
  -- Postgres weighs the index against reading every page; where it would read every page, we sweep. Where it would not, since
  -- the rows lie in the order of the index, a sweep past nine others still takes less than to choose a row by the index.
  execute format('explain (format json) select r.ctid from only %s r where %s', nightshift.trusted_name(leaf), due) into plan;
  select c.reltuples, n.nspname, c.relname into leaf_table
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = leaf;
  all_rows := leaf_table.reltuples;
  -- By names that are known before the query: joined, the view would be read for all tables.
  null_share := coalesce((
    select s.null_frac from pg_catalog.pg_stats s
    where s.schemaname = leaf_table.nspname and s.tablename = leaf_table.relname and s.attname = marker_column and not s.inherited
  ), 0);
  -- Postgres takes off the rows without a marker for each of the two conditions on it.
  due_rows := least((plan #>> '{0,Plan,Plan Rows}')::numeric / nullif(1 - null_share, 0), all_rows * (1 - null_share));
  return case
    when plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then 'sweep'
    when all_rows > 0 and due_rows > all_rows / 10 then 'sweep'
    else 'index'
  end;
end;
$$;

comment on function nightshift.way_into_leaf is
  'How to walk through the due rows of a leaf: sweep where they are dense, where the index is full of dead rows, or no index gives them in order, index where they are sparse; null where an index says that there are none.';
