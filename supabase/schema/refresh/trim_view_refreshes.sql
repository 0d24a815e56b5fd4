create or replace function nightshift.trim_view_refreshes()
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with trimmed as (
    delete from nightshift.view_refreshes v
    -- Looked for once, whatever Postgres expects: it may know of no row of a table that has just been filled.
    where v.id = any(array(
      select old.id
      from nightshift.view_refreshes old
      where old.started_at < now() - (select s.ledger_retention from nightshift.settings s)
      order by old.started_at
      limit 1000
    ))
    returning 1
  )
  select count(*) from trimmed;
$$;

comment on function nightshift.trim_view_refreshes is
  'Deletes at most 1,000 records of refreshes older than settings.ledger_retention (default 90 days); returns how many. plan_view_refresh calls it.';
