create or replace function nightshift.way_into_leaf(leaf regclass, marker_column name, due text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  plan jsonb;
begin
  if nightshift.marker_walk(leaf, marker_column, due) is distinct from 'index' then
    return 'sweep';
  elsif not nightshift.has_due_rows(leaf, marker_column, due) then
    return null;
  end if;
  -- Postgres weighs the index against reading every page; where it would read every page, we sweep. Where it would not, since
  -- the rows lie in the order of the index, a sweep past nine others still takes less than to choose a row by the index.
  execute format('explain (format json) select r.ctid from only %s r where %s', nightshift.trusted_name(leaf), due) into plan;
  return case
    when plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then 'sweep'
    when (plan #>> '{0,Plan,Plan Rows}')::numeric > (select c.reltuples / 10 from pg_catalog.pg_class c where c.oid = leaf and c.reltuples > 0)
      then 'sweep'
    else 'index'
  end;
end;
$$;

comment on function nightshift.way_into_leaf is
  'How to walk through the due rows of a leaf: sweep where they are dense or no index gives them in order, index where they are sparse; null where an index says that there are none.';
