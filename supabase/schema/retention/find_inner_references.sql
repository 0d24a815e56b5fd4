create or replace function nightshift.find_inner_references(doomed nightshift.row_set[])
returns table (relation oid, tid tid, key_name text, referencing_relation oid, referencing_tid tid)
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
      return query execute format(
        'select %1$s::oid, t.ctid, %2$L::text, x.tableoid, x.ctid
         from only %3$s t
         join %4$s x on %5$s
         where t.tableoid = %1$s
           and t.ctid = any($1)
           and (x.tableoid, x.ctid) in (
             select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid)
           )',
        referenced.relation, key.name, nightshift.trusted_name(referenced.relation), nightshift.scan_of(key.referencing),
        nightshift.join_condition(key.key)
      ) using referenced.tids, doomed;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.find_inner_references is
  'Which rows of doomed refer to which rows of doomed, by foreign key.';
