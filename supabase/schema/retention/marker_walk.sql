create or replace function nightshift.marker_walk(leaf regclass, marker_column name, due text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  plan jsonb;
begin
  -- The planner is asked whether an index gives the due rows in order: it knows about partial indexes,
  -- leading columns and expressions what a look at pg_index would have to guess.
  execute format(
    'explain (format json) select r.%1$I from only %2$s r where %3$s order by r.%1$I limit 1',
    marker_column, nightshift.trusted_name(leaf), due
  ) into plan;
  if not jsonb_path_exists(plan, 'strict $.**."Node Type" ? (@ == "Sort" || @ == "Seq Scan")') then
    return 'index';
  end if;
  return case when exists (
    select 1
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam and m.amname = 'brin'
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = marker_column
    where i.indrelid = leaf and i.indisvalid and i.indpred is null and a.attnum = any(i.indkey::smallint[])
  ) then 'sweep' end;
end;
$$;

comment on function nightshift.marker_walk is
  'How an index serves the way through the due rows of a leaf: index (it gives them in the order of the marker), sweep (a BRIN index says which pages may have some), or null when none does.';
