create or replace function nightshift.find_released_rows(
  run_id uuid,
  rows nightshift.row_set[],
  keys nightshift.purge_key[],
  max_rows integer
)
returns nightshift.released_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set enable_nestloop = on
as $$
declare
  -- Those that go themselves are found as well.
  most constant bigint := max_rows + nightshift.count_rows(rows);
  key record;
  found_rows nightshift.released_row[];
  released nightshift.released_row[] := '{}';
begin
  for key in
    select s.relation, s.tids, k.key, k.referencing, k.indexed
    from unnest(rows) s
    join unnest(keys) k on k.policy = s.policy and s.relation = any(k.related)
    where k.role = 'release'
  loop
    perform set_config('enable_hashjoin', (not key.indexed)::text, true);
    execute format(
      'select array_agg(row(%s, r.relation, r.tid, r.referenced_relation, r.referenced_tid)::nightshift.released_row)
       from (
         select x.tableoid as relation, x.ctid as tid, t.tableoid as referenced_relation, t.ctid as referenced_tid
         from only %s t join %s x on %s
         where t.tableoid = %s and t.ctid = any($1)
           and not exists (
             select from nightshift.purge_decisions d
             where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid and d.fate in (''gone'', ''assessed'')
           )
         limit %s
       ) r',
      key.key, nightshift.trusted_name(key.relation), nightshift.scan_of(key.referencing), nightshift.join_condition(key.key),
      key.relation, run_id, most
    ) into found_rows using key.tids;
    released := released || coalesce(found_rows, '{}');
  end loop;
  -- What is referred to may go for two reasons.
  return array(select distinct r from unnest(released) r);
end;
$$;

comment on function nightshift.find_released_rows is
  'The references to rows that are set to null or default when these go, as their policies say. Of more than max_rows that are not themselves of rows, no more than are needed to tell.';
