create or replace function nightshift.pages_of(relation regclass)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(sum(pg_relation_size(l)), 0)::bigint / current_setting('block_size')::bigint
    from nightshift.all_leaf_relations(pages_of.relation) l
  );
end;
$$;

comment on function nightshift.pages_of is 'How many pages the rows of a table take, with its partitions.';
