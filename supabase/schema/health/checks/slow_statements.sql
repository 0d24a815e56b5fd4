-- Health check slow_statements: the mean time of the statements that this database runs often.
-- Why: a statement that became slow is felt by everyone who waits for it, and is seldom the one that is suspected.

create or replace function nightshift.health_slow_statements(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  home name;
begin
  perform nightshift.require_statistics();
  select n.nspname into home
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_stat_statements';
  if not found then
    raise exception using
      errcode = 'NS424',
      message = 'The extension pg_stat_statements is not installed',
      hint = 'create extension pg_stat_statements with schema extensions;';
  end if;

  return query execute format(
    $query$
    select
      format('statement %%s', t.queryid),
      round((t.total_exec_time / t.calls)::numeric, 1),
      format('%%s calls in %%s s altogether, by %%s', nightshift.figure(t.calls), nightshift.figure(round(t.total_exec_time::numeric / 1000)), t.roles),
      'select r.rolname, s.calls, s.mean_exec_time, s.query from %1$I.pg_stat_statements s'
        || format(' join pg_roles r on r.oid = s.userid where s.queryid = %%s;', t.queryid),
      null::numeric, null::numeric, null::numeric, null::text
    from (
      select s.queryid, sum(s.calls) as calls, sum(s.total_exec_time) as total_exec_time,
        string_agg(distinct coalesce(r.rolname, 'a role that is gone'), ', ') as roles, coalesce(min(s.query), '') as text
      from %2$s s
      left join pg_catalog.pg_roles r on r.oid = s.userid
      where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
        and s.queryid is not null
        -- Supabase's own: what PostgREST runs before it takes the role of a request, Auth, Storage, the pooler. Nobody else can
        -- mend these.
        and coalesce(r.rolname, '') !~ '^supabase_|^(authenticator|dashboard_user|pgbouncer)$'
      group by s.queryid
      having sum(s.calls) >= 100
    ) t
    -- The text is looked at to leave out what is slow by nature, and Nightshift's own; it never leaves here.
    where t.text !~* '^\s*(vacuum|analyze|create|alter|drop|reindex|cluster|refresh|truncate|copy|import)\M'
      and t.text !~ '\mnightshift"?\.'
      -- Nor what reads the catalog, as dashboards, exporters and tools of migrations do.
      and t.text !~* '\m(from|join)\s+("?pg_catalog"?\s*\.\s*)?"?pg_\w+\M"?(?!\s*\()'
      and t.text !~* '\minformation_schema"?\s*\.'
      and t.text !~* '^\s*(--|/\*)\s*source: dashboard'
    $query$,
    home, nightshift.trusted_name(to_regclass(format('%I.pg_stat_statements', home)))
  );
exception
  when object_not_in_prerequisite_state then
    raise exception using
      errcode = 'NS424',
      message = 'pg_stat_statements is not among the shared_preload_libraries, and counts nothing',
      hint = format('alter system set shared_preload_libraries = %s; -- and then restart the server', (
        select string_agg(quote_literal(trim(both ' "' from l)), ', ' order by n)
        from string_to_table(concat_ws(',', nullif(current_setting('shared_preload_libraries'), ''), 'pg_stat_statements'), ',')
          with ordinality libraries(l, n)
      ));
  when undefined_column then
    raise exception using
      errcode = 'NS424',
      message = 'The extension pg_stat_statements is of an old version',
      hint = 'alter extension pg_stat_statements update;';
end;
$$;

comment on function nightshift.health_slow_statements is
  'Mean milliseconds of each statement that was called at least 100 times in this database, by pg_stat_statements; without DDL, COPY, VACUUM and the like, and without what names the schema nightshift, reads the catalog, or is run by the roles of Supabase itself (supabase_..., authenticator, dashboard_user, pgbouncer). Its text is never part of it. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'slow_statements',
  title => 'Slow statements',
  healthy => 'No statement that runs often is slow.',
  why => 'A statement that is slow every time costs its callers their patience and everyone else the machine; most need an index or fewer rows.',
  unit => 'milliseconds', info => 20, warning => 500, critical => 1000
);
