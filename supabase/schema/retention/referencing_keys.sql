-- What refers to a table: the foreign keys that a purge has to respect.
-- Why: a due row may go only when every row that refers to it goes too; the catalog is read in one place.

create or replace function nightshift.referencing_keys(relations oid[])
returns table (relation oid, key oid, name text, constraint_name name, referenced regclass, referencing regclass, indexed boolean)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
-- A batch asks two or three times, mostly of a table or two: to plan takes longer than to look, and the plan is always the same.
set plan_cache_mode = force_generic_plan
as $$
declare
  relations_found oid[];
  keys_found oid[];
begin
  with families as materialized (
    select c.oid,
      case when c.relkind = 'p' or c.relispartition then array(select nightshift.related_tables(c.oid)) else array[c.oid] end as related
    from unnest(relations) r(oid)
    -- Postgres guards a table that is referred to by triggers; most partitions have none.
    cross join lateral (
      select c.oid, c.relkind, c.relispartition from pg_catalog.pg_class c where c.oid = r.oid offset 0
    ) c
  ),
  found as materialized (
    -- Constraints have no index by the table that they refer to, dependencies have one.
    select distinct f.oid as relation, d.objid as key
    from families f
    cross join lateral unnest(f.related) r(oid)
    cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = r.oid and c.relhastriggers offset 0) c
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = c.oid
    -- On the table that it refers to a key depends as one object on another, on its own table as a part of it.
    where d.classid = 'pg_catalog.pg_constraint'::regclass and d.deptype = 'n'
  )
  select array_agg(f.relation), array_agg(f.key) into relations_found, keys_found from found f;
  -- Nothing refers to most tables, and to get ready for what is told of keys takes longer than to see that.
  if keys_found is null then
    return;
  end if;

  return query
  with keys as materialized (
    select distinct f.relation, k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey
    from unnest(relations_found, keys_found) f(relation, key)
    cross join lateral (select k.* from pg_catalog.pg_constraint k where k.oid = f.key offset 0) k
    where k.contype = 'f'
      -- Copies of a key that partitioning makes are covered by the key itself.
      and k.conparentid = 0
  )
  select
    k.relation,
    k.oid,
    format('%I on %s%s', k.conname, k.conrelid::regclass, case
      when exists (select from nightshift.retired_partitions r where r.partition = k.conrelid) then nightshift.retired_in_words(k.conrelid) end),
    k.conname,
    k.confrelid::regclass,
    k.conrelid::regclass,
    exists (
      select 1
      from pg_catalog.pg_index i
      where i.indrelid = k.conrelid
        and i.indisvalid
        and i.indkey[0] = any(k.conkey)
        -- Most indexes are of all rows and have no collation, and most keys have one column.
        and case when i.indpred is null and cardinality(k.conkey) = 1 and 0 = all(i.indcollation::oid[]) then exists (
          select from pg_catalog.pg_class c join pg_catalog.pg_am m on m.oid = c.relam
          where c.oid = i.indexrelid and m.amname in ('btree', 'hash')
        ) else nightshift.index_serves_key(i.indexrelid, k.oid) end
    )
  from keys k;
end;
$$;

comment on function nightshift.referencing_keys is
  'The foreign keys that refer to each of these tables, to any of its partitions or to what it is a partition of: name for reports, both tables, and whether an index on the referencing side serves it.';
