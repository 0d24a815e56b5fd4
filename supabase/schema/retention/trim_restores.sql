create or replace function nightshift.trim_restores()
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with trimmed as (
    delete from nightshift.restores r
    where r.id in (
      select old.id
      from nightshift.restores old
      where old.at < now() - (select s.ledger_retention from nightshift.settings s)
      order by old.at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
$$;

comment on function nightshift.trim_restores is
  'Deletes at most 1,000 records of restores older than settings.ledger_retention (default 90 days); returns how many. restore_rows calls it.';
