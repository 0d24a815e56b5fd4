-- What of a plan is the plan: not the costs and the numbers of rows, which are others each night; no conditions, in which values of the
-- application stand; and not the partition, which is another each month.

create or replace function nightshift.plan_shape(plan jsonb, schema_name text default null)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  node constant jsonb := coalesce(plan -> 'Plan', plan);
  home constant text := coalesce(node ->> 'Schema', schema_name);
  relation constant regclass := to_regclass(quote_ident(home) || '.' || quote_ident(node ->> 'Relation Name'));
  index constant regclass := to_regclass(quote_ident(home) || '.' || quote_ident(node ->> 'Index Name'));
  below text[];
  line text;
begin
  select array_agg(b.shape order by b.place) into below
  from (
    select s.shape, min(c.place) as place
    from jsonb_array_elements(node -> 'Plans') with ordinality c(child, place)
    cross join lateral (select nightshift.plan_shape(c.child, home)) s(shape)
    -- A query meets one partition today and two tomorrow.
    group by s.shape, case when node ->> 'Node Type' in ('Append', 'Merge Append') then 0 else c.place end
  ) b;
  if node ->> 'Node Type' in ('Append', 'Merge Append') and cardinality(below) = 1 then
    return below[1];
  end if;
  line := concat_ws(' ',
    case when (node ->> 'Parallel Aware')::boolean then 'Parallel' end,
    node ->> 'Node Type',
    nullif(nullif(node ->> 'Join Type', 'Inner'), ''),
    case when node ->> 'Strategy' <> 'Plain' then node ->> 'Strategy' end,
    case when node ->> 'Scan Direction' = 'Backward' then 'Backward' end,
    'using ' || coalesce(pg_partition_root(index)::text, index::text, node ->> 'Index Name'),
    'on ' || coalesce(pg_partition_root(relation)::text, relation::text, node ->> 'Function Name', node ->> 'CTE Name')
  );
  return concat_ws(E'\n  ', line, replace(array_to_string(below, E'\n'), E'\n', E'\n  '));
end;
$$;

comment on function nightshift.plan_shape is
  'The shape of a plan that EXPLAIN (FORMAT JSON, VERBOSE) has described, a node a line: its kind, and the index and table that it reads. A partition counts as its table, and several that are read alike as one. schema_name: where the index of a node below a table is.';
