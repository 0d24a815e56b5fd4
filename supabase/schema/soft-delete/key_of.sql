create or replace function nightshift.key_of(
  relation regclass, out "position" integer, out name name, out type text, out cast_left text, out operator text
)
returns setof record
language plpgsql
stable
rows 2
set search_path = pg_catalog, pg_temp
as $$
-- In this language a session plans the query once, which takes longer than to run it, and each deletion runs it several times.
begin
  return query
  select c."position", c.name, c.type, c.cast_left, c.operator
  from pg_catalog.pg_index i
  cross join lateral nightshift.index_columns(i.indexrelid) c
  where i.indrelid = key_of.relation and i.indisprimary
  order by c."position";
end;
$$;

comment on function nightshift.key_of is
  'The columns of a primary key in their order: see index_columns. None without a primary key.';
