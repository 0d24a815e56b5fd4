-- What a REINDEX CONCURRENTLY that did not finish has left behind, and whether it was ours.
-- Why: it is written with every row and used by none; and one that someone else left, or is still building, is theirs to drop.

create or replace function nightshift.reindex_leftovers(index regclass)
returns table (leftover regclass, is_ours boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with noted as materialized (
    -- As the ledger has it: the index that was rebuilt, which may have become the old one, and what was seen being built.
    select distinct n.oid::oid as oid
    from nightshift.runs r
    cross join lateral jsonb_each(r.progress -> 'indexes') i(name, step)
    cross join lateral (
      select i.step ->> 'oid' union all select jsonb_array_elements_text(i.step -> 'built')
    ) n(oid)
    where r.job = 'table-vacuum' and r.progress ? 'indexes'
  )
  select x.indexrelid::regclass, x.indexrelid in (select n.oid from noted n)
  from pg_catalog.pg_index own
  join pg_catalog.pg_class c on c.oid = own.indexrelid
  join pg_catalog.pg_index x on x.indrelid = own.indrelid and not x.indisvalid and x.indexrelid <> own.indexrelid
  join pg_catalog.pg_class l on l.oid = x.indexrelid and l.relkind = 'i'
  -- A long name is cut short for it.
  where own.indexrelid = reindex_leftovers.index and l.relname ~ '_cc(new|old)\d*$'
    and starts_with(c.relname, regexp_replace(l.relname, '_cc(new|old)\d*$', ''));
$$;

comment on function nightshift.reindex_leftovers is
  'The invalid indexes that REINDEX CONCURRENTLY of an index has left, those of a build under way included; is_ours: the ledger has it as what a run of table-vacuum was rebuilding or had built.';
