create or replace function nightshift.trim_deletion_events(as_of timestamptz default now())
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with trimmed as (
    delete from nightshift.deletion_events e
    where e.id in (
      select old.id
      from nightshift.deletion_events old
      where old.at < trim_deletion_events.as_of - (select s.ledger_retention from nightshift.settings s)
      order by old.at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
$$;

comment on function nightshift.trim_deletion_events is
  'Deletes at most 1,000 entries of the history of deletions older than settings.ledger_retention (default 90 days); returns how many. begin_run calls it.';
