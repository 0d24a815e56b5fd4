create or replace function nightshift.is_large(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- 8 MB are read in a few milliseconds, without an index.
  select coalesce(sum(pg_relation_size(l)), 0) > 1000 * current_setting('block_size')::bigint
  from nightshift.all_leaf_relations(is_large.relation) l;
$$;

comment on function nightshift.is_large is 'Whether a table, with its partitions, has more than 1,000 pages, and is not to be read as a whole again and again.';
