create or replace function nightshift.counted(relation regclass, uncounted bigint)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- TRUNCATE moves no counter, but the table to another file.
  return concat(
    pg_relation_filenode(counted.relation), ' ',
    pg_stat_get_tuples_inserted(counted.relation) + pg_stat_get_tuples_updated(counted.relation)
      + pg_stat_get_tuples_deleted(counted.relation) + counted.uncounted
  );
end;
$$;

comment on function nightshift.counted is
  'What changes with every write to a table: its file node, and the number of rows ever inserted, updated and deleted. uncounted: of those, what this transaction wrote.';
