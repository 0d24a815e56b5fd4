create or replace function nightshift.vacuum_statement(relation oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case
      when c.relkind = 'p' then format('analyze (skip_locked) %s%I.%I',
        -- Earlier versions know no word for it, and analyze the partitions as well.
        case when current_setting('server_version_num')::integer >= 180000 then 'only ' end, n.nspname, c.relname)
      -- To give the end of a file back, it would lock out readers, on a standby for as long as they run.
      else format('vacuum (analyze, skip_locked, truncate false, parallel 0) %I.%I', n.nspname, c.relname)
    end
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = vacuum_statement.relation
  );
end;
$$;

comment on function nightshift.vacuum_statement is
  'The statement that vacuums a table or analyzes a partitioned one, for the direct connection. Postgres runs what belongs to a table, such as the expression of an index, with the rights of its owner, so the name need not be one of trusted_name. Null when it is gone.';
