-- What a materialized view reads, and whether any of it has changed since the view was last refreshed.
-- Why: Postgres records neither; a night that refreshes what nobody touched costs as much as one that has to.
-- Locks: none on any existing object; at run time it reads the catalogs and the statistics.

create function nightshift.view_reads(view regclass)
returns table (relation regclass, kind "char")
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with recursive reads(relation, kind) as (
    select c.oid, c.relkind from pg_catalog.pg_class c where c.oid = view_reads.view
    union
    select c.oid, c.relkind
    from reads r
    cross join lateral (
      select d.refobjid
      from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
      where w.ev_class = r.relation
        and d.refclassid = 'pg_catalog.pg_class'::regclass
        -- A materialized view below is read as it is; what it was made from is its own affair.
        and (r.kind = 'v' or r.relation = view_reads.view)
      union all
      select i.inhrelid
      from pg_catalog.pg_inherits i
      where i.inhparent = r.relation and r.kind in ('r', 'p')
    ) below(oid)
    join pg_catalog.pg_class c on c.oid = below.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  )
  select r.relation::regclass, r.kind from reads r;
end;
$$;

comment on function nightshift.view_reads is
  'A view itself and all that its query reads, with its pg_class.relkind: through ordinary views, partitions and inheriting tables, down to tables and to other materialized views.';

create function nightshift.view_functions(view regclass)
returns table (function oid, clock boolean)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with rule as materialized (
    select w.oid, w.ev_action::text as tree
    from nightshift.view_reads(view_functions.view) r
    join pg_catalog.pg_rewrite w on w.ev_class = r.relation
    where r.kind = 'v' or r.relation = view_functions.view
  ),
  called(function) as (
    -- Postgres records no dependency on functions of its own, so the tree of the query has to say.
    select m[1]::oid
    from rule, regexp_matches(rule.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
    union
    select coalesce(o.oprcode::oid, d.refobjid)
    from rule
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = rule.oid
    left join pg_catalog.pg_operator o
      on d.refclassid = 'pg_catalog.pg_operator'::regclass and o.oid = d.refobjid
    where d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
  )
  select f.oid,
    case when f.oid >= 16384 then f.provolatile <> 'i'
      -- Most stable functions of Postgres depend on settings alone, such as the time zone; these depend on more.
      else f.provolatile = 'v' or f.provolatile = 's' and f.proname ~ (
        '^(now|age|mxid_age|(statement|transaction)_timestamp|current_.*|session_user|system_user|getpgusername|version'
        '|_?pg_.*|has_.*|inet_.*|txid_.*|to_reg.*|.*_to_xml.*|cursor_to_.*|.*_description|row_security_active|enum_.*)$'
      )
    end
  from called
  join pg_catalog.pg_proc f on f.oid = called.function;
end;
$$;

comment on function nightshift.view_functions is
  'The functions that the query of a view calls, also through ordinary views, operators and aggregates. clock: whether its result can change although no row that the query names has: it is not immutable and not of Postgres, or it is of Postgres and reads the clock, chance, the session or the catalogs.';

create function nightshift.why_untracked(view regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with read as materialized (
      select r.relation, r.kind, c.relowner as owner, c.relrowsecurity as secured, c.relforcerowsecurity as forced
      from nightshift.view_reads(why_untracked.view) r
      join pg_catalog.pg_class c on c.oid = r.relation
    ),
    rule as materialized (
      select w.ev_action::text as tree
      from read
      join pg_catalog.pg_rewrite w on w.ev_class = read.relation
      where read.kind = 'v' or read.relation = why_untracked.view
    )
    select coalesce(
      case when not current_setting('track_counts')::boolean then 'track_counts is off' end,
      case when not pg_has_role('pg_read_all_stats', 'usage') then
        format('%I may not see other sessions: grant pg_read_all_stats to %I', current_user, current_user) end,
      (select 'it reads ' || min(format('%s %s', case kind when 'f' then 'the foreign table' else 'the sequence' end, relation))
        from read where kind in ('f', 'S')),
      (select 'it calls ' || min(f.oid::regprocedure::text) || case
          when min(f.oid) >= 16384 then ', which is not declared immutable' else '' end
        from nightshift.view_functions(why_untracked.view) v
        join pg_catalog.pg_proc f on f.oid = v.function
        where v.clock),
      (select 'it uses the clock or the session (current_date and the like)' from rule
        where tree ~ '\{SQLVALUEFUNCTION ' limit 1),
      (select 'it samples a table' from rule where tree ~ '\{TABLESAMPLECLAUSE ' limit 1),
      (select 'it reads ' || min(m[1]::oid::regclass::text) || ' of the system'
        from rule, regexp_matches(rule.tree, ':relid (\d+)', 'g') m where m[1]::oid between 1 and 16383),
      (select 'row level security applies on ' || min(source.relation::text)
        from read source, read reader
        where source.secured and source.kind in ('r', 'p')
          and (reader.kind = 'v' or reader.relation = why_untracked.view)
          and (source.forced or not pg_has_role(reader.owner, source.owner, 'usage'))
          and not exists (
            select 1 from pg_catalog.pg_roles o where o.oid = reader.owner and (o.rolsuper or o.rolbypassrls)
          ))
    )
  );
end;
$$;

comment on function nightshift.why_untracked is
  'Why no counter can tell whether a view has changed, in words, or null: its query depends on more than the rows of local tables, or the counters are not to be had. Such a view counts as changed, always.';

create function nightshift.view_state(view regclass)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'statistics', (
        -- Counters begin anew when statistics are reset, after a crash, and on a standby that was promoted.
        select concat_ws(' ', pg_postmaster_start_time(), d.stats_reset, b.stats_reset)
        from pg_catalog.pg_stat_database d, pg_catalog.pg_stat_bgwriter b
        where d.datname = current_database()
      ),
      'definition', md5(concat(
        (
          select string_agg(concat(w.ev_class, w.ev_action, c.relowner, c.reloptions), ',' order by w.oid)
          from nightshift.view_reads(view_state.view) r
          join pg_catalog.pg_class c on c.oid = r.relation
          join pg_catalog.pg_rewrite w on w.ev_class = r.relation
          where r.kind = 'v' or r.relation = view_state.view
        ),
        (
          select string_agg(concat(f.oid, ' ', f.xmin), ',' order by f.oid)
          from nightshift.view_functions(view_state.view) v
          join pg_catalog.pg_proc f on f.oid = v.function
          where f.oid >= 16384
        )
      )),
      'sources', (
        select coalesce(jsonb_object_agg(
          r.relation::oid,
          concat(
            -- TRUNCATE moves no counter, but the table to another file.
            pg_relation_filenode(r.relation), ' ',
            pg_stat_get_tuples_inserted(r.relation) + pg_stat_get_tuples_updated(r.relation)
              + pg_stat_get_tuples_deleted(r.relation)
          )
        ), '{}')
        from nightshift.view_reads(view_state.view) r
        where r.kind in ('r', 'm') and r.relation <> view_state.view
      )
    )
  );
end;
$$;

comment on function nightshift.view_state is
  'What changes whenever the query of a view may give another result: {statistics: since when the counters count, definition: a digest of the view and of the views and functions below it, sources: by oid, the file node of each table read and the number of rows ever written to it}.';

create function nightshift.what_changed(before jsonb, after jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select case
    when before ->> 'definition' <> after ->> 'definition' then 'its definition, or a view or function below it, changed'
    when before ->> 'statistics' <> after ->> 'statistics' then 'the counters of Postgres began anew'
    when before -> 'sources' <> after -> 'sources' then (
      select string_agg(s.name, ', ' order by s.place) filter (where s.place <= 3)
        || case when count(*) > 3 then format(' and %s more', count(*) - 3) else '' end
        || ' changed'
      from (
        select
          coalesce(c.oid::regclass::text, 'a table that is gone') as name,
          row_number() over (order by c.oid::regclass::text) as place
        from jsonb_each_text(before -> 'sources') b
        full join jsonb_each_text(after -> 'sources') a using (key)
        left join pg_catalog.pg_class c on c.oid = key::oid
        where a.value is distinct from b.value
      ) s
    )
  end;
end;

comment on function nightshift.what_changed is
  'What differs between two states of a view (see view_state), in words, or null when nothing does.';

create function nightshift.counted_until(as_of timestamptz default now())
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  -- A session adds what it wrote to the counters when it comes to rest between transactions, and within a minute of
  -- that even where it has to wait for others; one that is at work may still owe what it wrote just before.
  select least(counted_until.as_of, now(), min(least(a.xact_start, a.query_start))) - interval '1 minute'
  from pg_catalog.pg_stat_activity a
  where a.datname = current_database()
    and a.pid <> pg_backend_pid()
    and a.state is distinct from 'idle'
    and a.backend_type not in ('autovacuum worker', 'walsender', 'parallel worker');
end;

comment on function nightshift.counted_until is
  'All rows written before this moment are in the counters that view_state reads: one minute before as_of, or one minute before the oldest transaction or statement that is still open.';

revoke all on function
  nightshift.view_reads, nightshift.view_functions, nightshift.why_untracked, nightshift.view_state,
  nightshift.what_changed, nightshift.counted_until
from public, anon, authenticated;
