create or replace function nightshift.follow_rows(rows nightshift.row_set[])
returns nightshift.row_set[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(r.policy, r.relation, r.due, array(
    select pg_catalog.currtid2(r.relation::regclass::text, t.tid) from unnest(r.tids) with ordinality t(tid, position) order by t.position
  ))::nightshift.row_set), '{}')
  from unnest(follow_rows.rows) r;
$$;

comment on function nightshift.follow_rows is
  'Rows that were locked by this transaction, with where they are by now, should it have changed them since.';
