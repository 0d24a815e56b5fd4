create or replace function nightshift.count_released(run_id uuid, rows nightshift.row_set[])
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policies constant oid[] := array(select distinct s.policy from unnest(rows) s);
  tables constant regclass[] := array(
    select distinct k.referencing from nightshift.retention_keys k where k.role = 'release' and k.policy::oid = any(policies)
  );
begin
  if tables = '{}' then
    return '{}';
  end if;
  return coalesce((
    select jsonb_object_agg(t.relation::text, t.n)
    from (
      select t.relation, sum(cardinality(r.tids)) as n
      from unnest(nightshift.find_released_rows(run_id, rows, array(select k from nightshift.purge_keys(policies) k), null)) r
      join unnest(tables) t(relation) on r.relation in (select nightshift.related_tables(t.relation))
      group by t.relation
    ) t
  ), '{}');
end;
$$;

comment on function nightshift.count_released is 'How many rows lose their reference to one of rows, by table.';
