create or replace function nightshift.next_leaf(policy nightshift.retention_policies, done oid, due text, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked, with its indexes, until the batch ends.
  max_leaves constant integer := 100;
  leaves constant oid[] := array(
    select l::oid
    from nightshift.leaf_relations(policy.relation) l
    where l::oid > done and l::oid in (
      select nightshift.partitions_before(policy.relation, policy.marker_column, least(as_of, now()) - policy.drop_after)
    )
    order by l::oid
    limit max_leaves
  );
  leaf oid;
  mode text;
begin
  foreach leaf in array leaves loop
    mode := nightshift.way_into_leaf(leaf, policy.marker_column, due);
    if mode is not null then
      return jsonb_build_object('leaf', leaf::bigint, 'mode', mode);
    end if;
  end loop;
  return case when cardinality(leaves) = max_leaves then jsonb_build_object('leaf', leaf::bigint, 'leafDone', true) end;
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode: see way_into_leaf}; or {leaf, leafDone} behind 100 leaves that have nothing due; or null when none further has.';
