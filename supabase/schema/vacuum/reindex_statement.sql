create or replace function nightshift.reindex_statement(index oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('reindex index concurrently %I.%I', n.nspname, c.relname)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = reindex_statement.index;
$$;

comment on function nightshift.reindex_statement is
  'The statement that rebuilds an index, for the direct connection. Postgres runs the expressions of an index with the rights of the owner of its table, so the name need not be one of trusted_name. Null when it is gone.';
