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
      select k.key, k.name, k.indexed, k.referencing from nightshift.referencing_keys(referenced.relation) k
    loop
      perform set_config('enable_hashjoin', (not key.indexed)::text, true);
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
        referenced.relation, key.name, nightshift.trusted_name(referenced.relation), nightshift.scan_of(key.referencing),
        nightshift.join_condition(key.key)
      ) using referenced.tids, doomed;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'The rows of doomed that a row outside of doomed refers to, by foreign key.';
