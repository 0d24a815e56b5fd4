-- What a materialized view reads, and whether any of it has changed since the view was last refreshed.
-- Why: Postgres records neither; a night that refreshes what nobody touched costs as much as one that has to.
-- Locks: it reads the catalogs and the statistics.

create or replace function nightshift.view_state(view regclass, composites oid[] default null)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  read regclass[];
  readers regclass[];
  sources regclass[];
  own_code regprocedure[];
  clocks regprocedure[];
  tree text;
  trees text;
  untracked text;
begin
  select
    array_agg(r.relation),
    array_agg(r.relation) filter (where r.kind = 'v') || view,
    array_agg(r.relation) filter (where r.kind in ('r', 'm', 'f'))
  into read, readers, sources
  from nightshift.view_reads(view) r;
  readers := coalesce(readers, array[view]);
  select string_agg(concat(w.ev_class, w.ev_action), ',' order by w.oid) into tree
  from pg_catalog.pg_rewrite w
  where w.ev_class = any(readers);

  select
    concat(tree, string_agg(c.calls, '')),
    array_agg(f.oid) filter (where f.oid >= 16384),
    array_agg(f.oid order by f.oid desc) filter (where case
      when f.oid >= 16384 then f.provolatile <> 'i'
      -- Most stable functions of Postgres depend on settings alone, such as the time zone; these depend on more.
      else f.provolatile = 'v' or f.provolatile = 's' and f.proname ~ (
        '^(now|age|mxid_age|(statement|transaction)_timestamp|current_.*|session_user|system_user|getpgusername|version'
        '|_?pg_.*|has_.*|inet_.*|txid_.*|to_reg.*|.*_to_xml.*|cursor_to_.*|.*_description|row_security_active|enum_.*'
        '|format_type)$'
      )
    end)
  into trees, own_code, clocks
  from nightshift.called_functions(tree) c
  cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = c.function offset 0) f;

  untracked := coalesce(
    case when not current_setting('track_counts')::boolean then 'track_counts is off' end,
    case when not pg_has_role('pg_read_all_stats', 'usage') then
      format('%I may not see other sessions: grant pg_read_all_stats to %I', current_user, current_user) end,
    (select 'it reads ' || min(format('%s %s', case c.relkind when 'f' then 'the foreign table' else 'the sequence' end, c.oid::regclass))
      from pg_catalog.pg_class c where c.oid = any(read) and c.relkind in ('f', 'S')),
    'it calls ' || clocks[1]::text
      || case when clocks[1]::oid >= 16384 then ', which is not declared immutable' else '' end,
    case when trees ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR) ' then 'it uses the clock or the session (current_date and the like)' end,
    case when trees ~ '\{TABLESAMPLECLAUSE ' then 'it samples a table' end,
    -- The text of these values is the name of something, which may change.
    case when trees ~ ':(vartype|consttype|resulttype|funcresulttype|opresulttype) (24|220[2-6]|4089|4096|4191)\M'
      then 'it uses names of the catalog (such as regclass)' end,
    (select 'it reads ' || min(m[1]::oid::regclass::text) || ' of the system'
      from regexp_matches(trees, ':relid (\d+)', 'g') m where m[1]::oid between 1 and 16383),
    (select 'row level security applies on ' || min(source.oid::regclass::text)
      from pg_catalog.pg_class source, pg_catalog.pg_class reader
      where source.oid = any(read) and source.relkind in ('r', 'p') and source.relrowsecurity
        and reader.oid = any(readers)
        and (source.relforcerowsecurity or not pg_has_role(reader.relowner, source.relowner, 'usage'))
        and not exists (
          select 1 from pg_catalog.pg_roles o where o.oid = reader.relowner and (o.rolsuper or o.rolbypassrls)
        ))
  );

  return jsonb_build_object(
    'untracked', untracked,
    -- Counters begin anew when statistics are reset, after a crash, and on a standby that was promoted.
    'statistics', (
      select concat_ws(' ', extract(epoch from pg_postmaster_start_time()), extract(epoch from d.stats_reset),
        extract(epoch from b.stats_reset))
      from pg_catalog.pg_stat_database d, pg_catalog.pg_stat_bgwriter b
      where d.datname = current_database()
    ),
    'definition', md5(concat(
      tree,
      current_setting('TimeZone'), current_setting('DateStyle'),
      (
        select string_agg(concat(c.oid, c.relowner, c.reloptions), ',' order by c.oid)
        from pg_catalog.pg_class c where c.oid = any(readers)
      ),
      -- A row as a whole, as in to_jsonb(t), carries the names of its columns.
      (
        select string_agg(concat(a.attrelid, ' ', a.attnum, ' ', a.attname, ' ', a.atttypid), ',' order by a.attrelid, a.attnum)
        from (
          select m[1]::oid from regexp_matches(tree, ':relid (\d+)', 'g') m
          union
          select unnest(coalesce(composites, nightshift.composite_types()))
        ) r(oid)
        cross join lateral (select a.* from pg_catalog.pg_attribute a where a.attrelid = r.oid offset 0) a
        where a.attnum > 0 and not a.attisdropped
      ),
      (select string_agg(concat(e.oid, ' ', e.enumlabel), ',' order by e.oid) from pg_catalog.pg_enum e),
      case when trees ~ ':(consttype|resulttype|vartype) (3734|3769)\M' then concat(
        (select string_agg(concat(t.oid, ' ', t.xmin), ',' order by t.oid) from pg_catalog.pg_ts_config t),
        (select string_agg(concat(t.mapcfg, ' ', t.xmin), ',' order by t.mapcfg, t.maptokentype, t.mapseqno) from pg_catalog.pg_ts_config_map t),
        (select string_agg(concat(t.oid, ' ', t.xmin), ',' order by t.oid) from pg_catalog.pg_ts_dict t)
      ) end,
      -- What a function calls in its text cannot be followed; any other one may be it.
      case when exists (
        select 1 from unnest(own_code) f(oid)
        where not exists (
          select 1 from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e'
        )
      ) then (
        select string_agg(concat(f.oid, ' ', f.xmin), ',' order by f.oid)
        from pg_catalog.pg_proc f
        join pg_catalog.pg_namespace n on n.oid = f.pronamespace
        where f.oid >= 16384 and n.nspname not like 'pg\_temp%' and n.nspname <> 'nightshift'
      ) end
    )),
    'own', nightshift.counted(view, 0),
    'sources', (
      select coalesce(jsonb_object_agg(s::oid, nightshift.counted(s, 0)), '{}') from unnest(sources) s
    )
  );
end;
$$;

comment on function nightshift.view_state is
  'What changes whenever the query of a view may give another result: {untracked: why nobody can tell, in words, or null: the query depends on more than the rows of local tables, or the counters are not to be had; statistics: since when the counters count; definition: a digest of the view, of the views and functions below it, and of names and settings that results can depend on; sources: by oid, what each table read has counted; own: the same of the view itself}. composites: what composite_types says, where several views are asked about.';
