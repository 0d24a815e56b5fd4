create or replace function nightshift.find_due_referencing(
  frontier nightshift.row_set[],
  scope oid[],
  as_of timestamptz,
  locking text,
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
  referenced nightshift.row_set;
  key record;
  tids tid[];
  found_rows nightshift.row_set[] := '{}';
begin
  foreach referenced in array frontier loop
    for key in
      select k.key, k.indexed, l.relation as referencing, p.drop_after, p.marker_column, p.flag_column
      from nightshift.referencing_keys(referenced.relation) k
      cross join lateral nightshift.leaf_relations(k.referencing) l(relation)
      cross join lateral nightshift.covering_policy(l.relation, scope) p
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
      perform nightshift.hold_table(key.referencing, locking);
      execute format(
        'select array_agg(r.ctid) from (
           select x.ctid from only %1$s x
           where x.tableoid = %6$s
             and (%2$s) is true
             and exists (select 1 from only %3$s t where t.tableoid = %7$s and t.ctid = any($1) and %4$s)
           limit %8$s
           %5$s
         ) r',
        nightshift.trusted_name(key.referencing),
        nightshift.due_condition('x', key.referencing, key.drop_after, key.marker_column, key.flag_column, as_of),
        nightshift.trusted_name(referenced.relation), nightshift.join_condition(key.key), locking,
        key.referencing::oid, referenced.relation, max_rows
      )
      into tids using referenced.tids;
      found_rows := found_rows || row(key.referencing, coalesce(tids, '{}'))::nightshift.row_set;
    end loop;
  end loop;
  return nightshift.merge_row_sets(found_rows);
end;
$$;

comment on function nightshift.find_due_referencing is
  'The due rows, within scope, that refer to any row of frontier, at most max_rows for each foreign key and table; locked when locking says so.';
