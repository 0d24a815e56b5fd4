create or replace function nightshift.next_leaf(relation regclass, done oid, marker_column name, due text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
  mode text;
begin
  for leaf in select l from nightshift.leaf_relations(relation) l where l::oid > done order by l::oid loop
    mode := nightshift.way_into_leaf(leaf, marker_column, due);
    if mode is not null then
      return jsonb_build_object('leaf', leaf::oid::bigint, 'mode', mode);
    end if;
  end loop;
  return null;
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode: see way_into_leaf}, or null when no further leaf has due rows.';
