create or replace function nightshift.find_refresh(run_id uuid, view regclass)
returns nightshift.view_refreshes
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select v.*
  from nightshift.view_refreshes v
  where v.run_id = find_refresh.run_id and v.view = find_refresh.view and v.status = 'refreshed';
$$;

comment on function nightshift.find_refresh is 'The refresh of a view by a run, which makes at most one; null without one.';
