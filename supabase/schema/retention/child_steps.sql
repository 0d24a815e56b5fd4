create or replace function nightshift.child_steps(keys nightshift.purge_key[], rows nightshift.row_set[], carried text default '')
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  taken constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role = 'child' and k.related && relations);
begin
  if cardinality(taken) = 0 then
    return null;
  end if;
  return (
    select string_agg(s.step, ' union all ' order by s.step)
    from (
      select nightshift.reference_step(j.referenced_scan, 't', j.referenced_leaves, format('r.policy = %s', k.policy), string_agg(
        format('select %s::oid, x.tableoid, x.ctid%s from %s x where %s', k.policy, carried, j.referencing_scan, j.condition), ' union all '
      )) as step
      from unnest(taken) k
      join nightshift.key_joins(array(select distinct t.key from unnest(taken) t)) j on j.key = k.key
      group by k.policy, j.referenced_scan, j.referenced_leaves
    ) s
  );
end;
$$;

comment on function nightshift.child_steps is
  'The query that leads from a row r of rows (policy, relation, tid) to its children (the same, and what is carried along); null when there are none. Errors: NS404, NS422 (see key_joins).';
