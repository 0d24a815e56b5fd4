create or replace function nightshift.measure_children(policy nightshift.retention_policies, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  -- As of the backlog: a table over 32 MB is sampled.
  counted_pages constant integer := 4096;
  sampled_pages constant integer := 1000;
  child record;
  condition text;
  pages bigint;
  percent numeric;
  total_rows bigint;
  due_rows bigint;
  measured jsonb := '{}';
begin
  for child in
    select m.member from nightshift.policy_members(array[policy.relation::oid]) m where m.is_child order by m.member::oid
  loop
    select sum(pg_relation_size(l) / current_setting('block_size')::integer) into pages
    from nightshift.all_leaf_relations(child.member) l;
    percent := case when coalesce(pages, 0) <= counted_pages then 100 else 100.0 * sampled_pages / pages end;
    condition := nightshift.child_condition(policy, child.member, as_of);
    execute format(
      'select count(*), count(*) filter (where %s) from %s x %s', coalesce(condition, 'false'),
      nightshift.scan_of(child.member), case when percent < 100 then format('tablesample system (%s)', percent) else '' end
    ) into total_rows, due_rows;
    measured := measured || jsonb_build_object(child.member::text, jsonb_build_object(
      'totalRows', round(total_rows * 100 / percent),
      'totalRowsExact', percent = 100,
      'dueRows', case when condition is not null then round(due_rows * 100 / percent) end
    ));
  end loop;
  return measured;
end;
$$;

comment on function nightshift.measure_children is
  'Of each table of children of a policy, how many rows it has (exactly below 32 MB) and how many refer to due rows, held or not; null where they refer to each other.';
