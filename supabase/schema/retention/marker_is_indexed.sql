create or replace function nightshift.marker_is_indexed(relation regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  leaf regclass;
  plan jsonb;
begin
  -- The planner is asked whether an index gives the due rows in order: it knows about partial indexes,
  -- leading columns and expressions what a look at pg_index would have to guess.
  for leaf in select l from nightshift.leaf_relations(relation) l loop
    execute format(
      'explain (format json) select r.%1$I from only %2$s r where %3$s order by r.%1$I limit 1',
      marker_column, nightshift.trusted_name(leaf), due
    ) into plan;
    if jsonb_path_exists(plan, 'strict $.**."Node Type" ? (@ == "Sort" || @ == "Seq Scan")')
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
  'Whether, on every leaf, an index returns the due rows in marker order.';
