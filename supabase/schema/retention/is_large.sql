create or replace function nightshift.is_large(relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- 8 MB are read in a few milliseconds, without an index.
    select nightshift.pages_of(is_large.relation) > 1000
  );
end;
$$;

comment on function nightshift.is_large is 'Whether a table, with its partitions, has more than 1,000 pages, and is not to be read as a whole again and again.';
