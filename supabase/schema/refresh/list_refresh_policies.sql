create or replace function nightshift.list_refresh_policies(as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
set jit = off
as $$
  with types as materialized (select nightshift.composite_types() as composites)
  select coalesce(jsonb_agg(
    nightshift.describe_view(
      p, nightshift.assess_view(p, as_of => list_refresh_policies.as_of, composites => t.composites), list_refresh_policies.as_of
    )
    order by p.view_name
  ), '[]')
  from nightshift.refresh_policies p cross join types t;
$$;

comment on function nightshift.list_refresh_policies is
  'Every policy with the state of its view, as one JSON array: see describe_view.';
