create or replace function nightshift.find_released_rows(
  run_id uuid,
  rows nightshift.row_set[],
  keys nightshift.purge_key[],
  max_rows integer
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- Those that go themselves are found as well, and subtracted at the end.
  most constant bigint := max_rows + nightshift.count_rows(rows);
  key record;
  found_rows nightshift.row_set[];
  released nightshift.row_set[] := '{}';
begin
  for key in
    select s.relation, s.tids, k.key, k.referencing, k.indexed
    from unnest(rows) s
    join unnest(keys) k on k.policy = s.policy and s.relation = any(k.related)
    where k.role = 'release'
  loop
    perform set_config('enable_hashjoin', (not key.indexed)::text, true);
    execute format(
      'select array_agg(row(null, g.relation, false, g.tids)::nightshift.row_set)
       from (
         select r.relation, array_agg(r.tid) as tids
         from (
           select x.tableoid as relation, x.ctid as tid
           from only %s t join %s x on %s
           where t.tableoid = %s and t.ctid = any($1)
             and not exists (
               select from nightshift.purge_decisions d
               where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid and d.fate in (''gone'', ''assessed'')
             )
           limit %s
         ) r
         group by r.relation
       ) g',
      nightshift.trusted_name(key.relation), nightshift.scan_of(key.referencing), nightshift.join_condition(key.key), key.relation, run_id,
      coalesce(most::text, 'all')
    ) into found_rows using key.tids;
    released := released || coalesce(found_rows, '{}');
  end loop;
  return nightshift.subtract_row_sets(released, rows);
end;
$$;

comment on function nightshift.find_released_rows is
  'The rows whose reference to one of rows is set to null or default when that one goes, as its policy says. With max_rows (null for all), no more than are needed to tell that there are as many.';
