create or replace function nightshift.find_needed_rows(doomed nightshift.row_set[])
returns table (relation oid, tid tid, key_name text)
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
begin
  foreach referenced in array doomed loop
    for key in
      select
        k.name, k.join_condition, k.indexed,
        k.referencing as table_name, nightshift.scan_of(k.referencing) as referencing
      from nightshift.referencing_keys(referenced.relation) k
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
      perform nightshift.require_trusted_owner(key.table_name);
      -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
      -- that is not doomed. NOT EXISTS would first subtract the doomed rows from the whole of x.
      return query execute format(
        'select %1$s::oid, t.ctid, %2$L::text
         from only %3$s t
         where t.tableoid = %1$s
           and t.ctid = any($1)
           and exists (
             select 1 from %4$s x
             where %5$s
               and (x.tableoid, x.ctid) not in (
                 select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid)
               )
           )',
        referenced.relation, key.name, referenced.relation::regclass, key.referencing, key.join_condition
      ) using referenced.tids, doomed;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'The rows of doomed that a row outside of doomed refers to, by foreign key.';
