-- How much of tables and indexes is air, by what the statistics say that their rows need.
-- Why an estimate: to know, Postgres would have to read all of them. It is off where columns vary much in width, where most of
-- a row is in TOAST, and for an index that keeps equal values once (which hides bloat): so what is small is not reported at all.
-- Locks: none, it reads the catalogs and the statistics.

create or replace function nightshift.estimate_bloat(only_relations oid[], floor_bytes bigint)
returns table (relation oid, table_oid oid, kind text, size_bytes bigint, bloat_bytes bigint)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with large as materialized (
    select c.oid, c.relkind, coalesce(x.indrelid, c.oid) as table_oid, c.relpages::bigint as pages, c.reltuples,
      current_setting('block_size')::bigint as block,
      coalesce((
        select o.option_value::numeric from pg_options_to_table(c.reloptions) o where o.option_name = 'fillfactor'
      ), case c.relkind when 'i' then 90 else 100 end) / 100 as fill
    from pg_catalog.pg_class c
    left join pg_catalog.pg_index x on x.indexrelid = c.oid
    join pg_catalog.pg_am a on a.oid = c.relam
    -- The statistics of TOAST tables do not say how wide their rows are.
    where (c.relkind in ('r', 'm') or c.relkind = 'i' and a.amname = 'btree' and x.indisvalid)
      and c.relpages::bigint * current_setting('block_size')::bigint >= estimate_bloat.floor_bytes
      and coalesce(x.indrelid, c.oid) in (select t from nightshift.application_tables() t)
      and (estimate_bloat.only_relations is null or coalesce(x.indrelid, c.oid) = any(estimate_bloat.only_relations))
      and c.reltuples >= 0
  ),
  wide as (
    select l.*, w.bytes
    from large l
    cross join lateral (
      select sum(s.avg_width * (1 - s.null_frac)) as bytes, count(*) = count(s.attname) as is_complete
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_class home on home.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = home.relnamespace
      -- Each by its index: else the columns of all tables would be gone through for each of these.
      left join lateral (
        select t.attname, t.avg_width, t.null_frac
        from pg_catalog.pg_stats t
        where t.schemaname = n.nspname and t.tablename = home.relname and t.attname = a.attname and not t.inherited
        limit 1
      ) s on true
      where a.attrelid in (l.oid, l.table_oid) and a.attnum > 0 and not a.attisdropped and case l.relkind
        when 'i' then
          a.attrelid = l.table_oid and a.attnum = any(array(
            select k from pg_catalog.pg_index x, unnest(x.indkey::smallint[]) k where x.indexrelid = l.oid and k > 0
          ))
          -- An expression has statistics of its own.
          or a.attrelid = l.oid and exists (
            select from pg_catalog.pg_index x where x.indexrelid = l.oid and x.indkey[a.attnum - 1] = 0
          )
        else a.attrelid = l.oid
      end
    ) w
    where w.is_complete and w.bytes is not null
  ),
  needed as (
    select w.*, case w.relkind
      when 'i' then 1 + ceil(w.reltuples * (4 + 8 + 8 * ceil(w.bytes / 8)) / ((w.block - 40) * w.fill) * 1.01)
      else ceil(w.reltuples * (4 + 24 + 8 * ceil(w.bytes / 8)) / ((w.block - 24) * w.fill))
    end as needed_pages
    from wide w
  )
  select n.oid, n.table_oid, case n.relkind when 'i' then 'index' else 'table' end, n.pages * n.block,
    ((n.pages - n.needed_pages) * n.block)::bigint
  from needed n
  where (n.pages - n.needed_pages) * n.block >= estimate_bloat.floor_bytes;
$$;

comment on function nightshift.estimate_bloat is
  'The tables, materialized views and B-tree indexes of the application of which, by the statistics, at least floor_bytes are neither rows nor the room that their fillfactor leaves: size_bytes, bloat_bytes. Of all tables, or of those given with their indexes. What was never analyzed is left out.';
