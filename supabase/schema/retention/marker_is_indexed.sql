create or replace function nightshift.marker_is_indexed(relation regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
begin
  for leaf in select l from nightshift.leaf_relations(relation) l loop
    if nightshift.is_large(leaf)
      and nightshift.marker_walk(leaf, marker_column, due) is null
      -- Built in this very transaction over rows it has changed, an index is of use only to later ones.
      and not exists (
        select 1
        from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = leaf and i.indcheckxmin and i.indisvalid and a.attname = marker_column
      )
    then
      return false;
    end if;
  end loop;
  return true;
end;
$$;

comment on function nightshift.marker_is_indexed is
  'Whether, on every leaf that is large, an index serves the way through the due rows: see marker_walk.';
