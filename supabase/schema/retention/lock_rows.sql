create or replace function nightshift.lock_rows(run nightshift.runs, rows nightshift.row_set[])
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  relations constant oid[] := array(select r.relation from unnest(rows) with ordinality r(policy, relation, due, tids, position) order by r.position);
  relation oid;
  names text[];
  asked record;
  locked nightshift.row_set[] := '{}';
  tids tid[];
begin
  foreach relation in array relations loop
    perform nightshift.hold_table(relation, 'for update');
  end loop;
  names := nightshift.trusted_names(relations);
  for asked in select r.* from unnest(rows) with ordinality r(policy, relation, due, tids, position) order by r.position loop
    execute format(
      'select array_agg(r.ctid) from (
         select x.ctid from only %s x where x.ctid = any($1) and x.tableoid = %s %s for update skip locked
       ) r',
      names[asked.position], asked.relation,
      case when asked.due then (
        select format('and coalesce(%s, false)', nightshift.due_condition(
          'x', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at))
        from nightshift.retention_policies p where p.relation::oid = asked.policy
      ) end
    ) into tids using asked.tids;
    if tids is not null then
      locked := locked || row(asked.policy, asked.relation, asked.due, tids)::nightshift.row_set;
    end if;
  end loop;
  return locked;
end;
$$;

comment on function nightshift.lock_rows is
  'Locks rows where they are, passing over those that others hold or that have changed, and returns them; due ones are known to be due under the lock.';
