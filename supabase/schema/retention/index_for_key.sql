create or replace function nightshift.index_for_key(key oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Postgres cannot build an index concurrently on a partitioned table.
  select format('create index %son %s (%s);', case when r.relkind = 'p' then '' else 'concurrently ' end,
    c.conrelid::regclass, nightshift.key_columns(c.oid))
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_class r on r.oid = c.conrelid
  where c.oid = index_for_key.key;
$$;

comment on function nightshift.index_for_key is 'The statement that makes the index which serves a foreign key from the referencing side.';
