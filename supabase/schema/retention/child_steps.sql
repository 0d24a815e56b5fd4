create or replace function nightshift.child_steps(keys nightshift.purge_key[], rows nightshift.row_set[], carried text default '')
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('select %s::oid, x.tableoid, x.ctid%s from %s and r.policy = %s', k.policy, carried,
    nightshift.reference_join(k.key, true), k.policy), ' union all ')
  from unnest(keys) k
  where k.role = 'child' and k.related && array(select distinct r.relation from unnest(child_steps.rows) r);
$$;

comment on function nightshift.child_steps is
  'The query that leads from a row r of rows (policy, relation, tid) to its children (the same, and what is carried along); null when there are none.';
