create or replace function nightshift.next_leaf(relation regclass, done oid, marker_column name, due text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
  leaf_name text;
  plan jsonb;
  mode text;
  due_rows bigint;
begin
  select l into leaf from nightshift.leaf_relations(relation) l where l::oid > done order by l::oid limit 1;
  if leaf is null then
    return null;
  end if;
  mode := coalesce(nightshift.marker_walk(leaf, marker_column, due), 'sweep');
  if mode = 'index' then
    leaf_name := nightshift.trusted_name(leaf);
    -- Postgres weighs the index against reading every page; where it would read every page, we sweep.
    execute format('explain (format json) select r.ctid from only %s r where %s', leaf_name, due) into plan;
    if plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then
      -- Its statistics may be of before the last purge: where nothing is due, the index says so at once.
      execute format('select from only %s r where %s order by r.%I limit 1', leaf_name, due, marker_column);
      get diagnostics due_rows = row_count;
      mode := case when due_rows > 0 then 'sweep' else 'index' end;
    end if;
  end if;
  return jsonb_build_object('leaf', leaf::oid::bigint, 'mode', mode);
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode}, or null when there is no further leaf. mode is sweep where the due rows are dense or no index gives them in order, index where they are sparse or there are none.';
