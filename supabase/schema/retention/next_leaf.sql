create or replace function nightshift.next_leaf(relation regclass, done oid, marker_column name, due text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked, with its indexes, until the batch ends.
  max_leaves constant integer := 100;
  leaves constant oid[] := array(
    select l::oid from nightshift.leaf_relations(relation) l where l::oid > done order by l::oid limit max_leaves
  );
  leaf oid;
  mode text;
begin
  foreach leaf in array leaves loop
    mode := nightshift.way_into_leaf(leaf, marker_column, due);
    if mode is not null then
      return jsonb_build_object('leaf', leaf::bigint, 'mode', mode);
    end if;
  end loop;
  return case when cardinality(leaves) = max_leaves then jsonb_build_object('leaf', leaf::bigint, 'leafDone', true) end;
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode: see way_into_leaf}; or {leaf, leafDone} behind 100 leaves that have nothing due; or null when none further has.';
