create or replace function nightshift.key_columns(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('%I', a.attname), ', ' order by u.position)
    from pg_catalog.pg_constraint c
    cross join lateral unnest(c.conkey) with ordinality u(attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.attnum
    where c.oid = key_columns.key
  );
end;
$$;

comment on function nightshift.key_columns is 'The referencing columns of a foreign key, as SQL writes them.';
