create or replace function nightshift.report_bloat(run_id uuid, fence bigint, only_tables text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '30s'
set lock_timeout = '500ms'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  -- 86 percent of 2 MB are no reason to act.
  few_bytes constant bigint := 67108864;
  relations constant oid[] := (select array_agg(nightshift.find_relation(o)::oid) from unnest(only_tables) o);
  measured jsonb := '[]';
  context text;
begin
  if cardinality(relations) = 1 and exists (select from pg_catalog.pg_extension e where e.extname = 'pgstattuple')
    and (select c.relkind in ('r', 'm') from pg_catalog.pg_class c where c.oid = relations[1])
  then
    begin
      execute format(
        $query$
        select jsonb_build_array(jsonb_build_object(
          'relation', $2, 'table', $2, 'kind', 'table', 'method', 'pgstattuple_approx',
          'sizeBytes', a.table_len, 'bloatBytes', a.approx_free_space + a.dead_tuple_len
        ))
        from %s($1) a
        $query$,
        nightshift.extension_function('pgstattuple', 'pgstattuple_approx', 'regclass')
      )
      into measured
      using relations[1]::regclass, relations[1]::regclass::text;
    exception
      -- The estimate needs neither the right nor the lock nor the time.
      when insufficient_privilege or lock_not_available or query_canceled or sqlstate 'NS422' then
        measured := '[]';
    end;
  end if;
  return measured || coalesce((
    select jsonb_agg(jsonb_build_object(
      'relation', b.relation::regclass::text, 'table', b.table_oid::regclass::text, 'kind', b.kind, 'method', 'estimate',
      'sizeBytes', b.size_bytes, 'bloatBytes', b.bloat_bytes
    ) order by b.bloat_bytes desc)
    from (
      select e.* from nightshift.estimate_bloat(relations, few_bytes) e
      where not (e.kind = 'table' and measured <> '[]')
      order by e.bloat_bytes desc
      limit 20
    ) b
  ), '[]');
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.report_bloat is
  'The tables and indexes with 64 MB or more that are neither rows nor reserved, the most first, 20 at most: [{relation, table, kind: table or index, sizeBytes, bloatBytes, method: estimate, see estimate_bloat}]. When one table is named and the extension pgstattuple is there, that table is measured whatever it comes to (method: pgstattuple_approx). Errors: NS409 lease lost.';
