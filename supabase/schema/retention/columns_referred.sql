create or replace function nightshift.columns_referred(relation regclass, keys nightshift.purge_key[], alias text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(string_agg(distinct format('%s.%I', alias, a.attname), ', '), '1')
    from unnest(keys) k
    join pg_catalog.pg_constraint c on c.oid = k.key
    cross join lateral unnest(c.confkey) u(attnum)
    join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = u.attnum
    where k.referenced = relation
  );
end;
$$;

comment on function nightshift.columns_referred is
  'The columns of a table that these keys refer to, of rows with this alias, as a list for SQL; 1 when there are none.';
