create or replace function nightshift.list_restores(relation text default null, max_restores integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'at', r.at, 'relation', r.relation_name, 'restored', r.restored, 'failed', r.failed, 'reasons', r.reasons
  ) order by r.id desc), '[]')
  from (
    select n.* from nightshift.restores n
    where list_restores.relation is null or n.relation_name = list_restores.relation
    order by n.id desc
    limit least(greatest(list_restores.max_restores, 1), 1000)
  ) r;
$$;

comment on function nightshift.list_restores is
  'The newest calls of restore_rows first, as one JSON array: at, relation, restored, failed, reasons; of one table, named with its schema, when relation is given. max_restores: 1 to 1000, default 20.';
