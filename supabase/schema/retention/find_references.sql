create or replace function nightshift.find_references(
  referenced nightshift.row_set[],
  referencing nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns table (policy oid, relation oid, tid tid, referencing_relation oid, referencing_tid tid)
language plpgsql
-- So few are announced for the sake of a recursive query that follows them: it keeps them in a hash table, and looks up in it
-- what its last step has found. The other way around, each step would read all of them.
rows 1
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = on
set enable_nestloop = on
set plan_cache_mode = force_generic_plan
as $$
declare
  statement text;
begin
  with targets as materialized (
    select t.policy, t.relation, t.position from unnest(referenced) with ordinality t(policy, relation, due, tids, position)
  ),
  -- A row may be there for several reasons.
  sources as materialized (
    select s.relation, string_agg(format('($2[%s]).tids', s.position), ' || ') as tids
    from unnest(referencing) with ordinality s(policy, relation, due, tids, position)
    group by s.relation
  ),
  names as materialized (
    select n.relation, n.name
    from (select array(select t.relation from targets t union select s.relation from sources s) as relations) r
    cross join lateral unnest(r.relations, nightshift.trusted_names(r.relations)) n(relation, name)
  ),
  joins as materialized (
    select j.*, c.referenced_columns, c.referencing_columns
    from nightshift.key_joins(array(select distinct k.key from unnest(keys) k)) j
    cross join lateral (
      select string_agg(format('t.%I', t.attname), ', ') as referenced_columns, string_agg(format('x.%I', x.attname), ', ') as referencing_columns
      from pg_catalog.pg_constraint c
      cross join lateral unnest(c.confkey, c.conkey) a(referenced, referencing)
      join pg_catalog.pg_attribute t on t.attrelid = c.confrelid and t.attnum = a.referenced
      join pg_catalog.pg_attribute x on x.attrelid = c.conrelid and x.attnum = a.referencing
      where c.oid = j.key
    ) c
  )
  select string_agg(format(
    'select %s::oid, t.tableoid, t.ctid, x.tableoid, x.ctid from (%s) t join (%s) x on %s',
    k.policy, t.rows, x.rows, j.condition
  ), ' union all ') into statement
  from unnest(keys) k
  join joins j on j.key = k.key
  cross join lateral (
    select string_agg(format(
      'select t.tableoid, t.ctid, %s from only %s t where t.tableoid = %s and t.ctid = any(($1[%s]).tids)',
      j.referenced_columns, n.name, t.relation, t.position
    ), ' union all ') as rows
    from targets t
    join names n on n.relation = t.relation
    where t.policy = k.policy and t.relation = any(j.referenced_leaves)
  ) t
  cross join lateral (
    select string_agg(format(
      'select x.tableoid, x.ctid, %s from only %s x where x.tableoid = %s and x.ctid = any(%s)',
      j.referencing_columns, n.name, s.relation, s.tids
    ), ' union all ') as rows
    from sources s
    join names n on n.relation = s.relation
    where s.relation = any(j.referencing_leaves)
  ) x
  where t.rows is not null and x.rows is not null;
  if statement is null then
    return;
  end if;
  perform set_config('enable_nestloop', 'off', true);
  return query execute statement using referenced, referencing;
end;
$$;

comment on function nightshift.find_references is
  'Which rows of referencing refer to which of referenced, and by the key of which policy: all are read by their addresses, so that it does not matter whether a key has an index. Errors: NS404, NS422 (see key_joins).';
