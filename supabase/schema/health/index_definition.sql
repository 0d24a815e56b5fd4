create or replace function nightshift.index_definition(index oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select substr(pg_get_indexdef(x.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%s',
      case when x.indisunique then 'UNIQUE ' end, c.relname, case when c.relkind = 'I' then 'ONLY ' end, x.indrelid::regclass)))
    from pg_catalog.pg_index x
    join pg_catalog.pg_class c on c.oid = x.indexrelid
    where x.indexrelid = index_definition.index
  );
end;
$$;

comment on function nightshift.index_definition is
  'What stands after the table in the statement that creates an index: method, columns and all else that it shares with its parts.';
