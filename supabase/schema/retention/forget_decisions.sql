create or replace function nightshift.forget_decisions()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from nightshift.purge_decisions d
  where not exists (select from nightshift.runs r where r.id = d.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_pending p
  where not exists (select from nightshift.runs r where r.id = p.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_released p
  where not exists (select from nightshift.runs r where r.id = p.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_counted c
  where not exists (select from nightshift.runs r where r.id = c.run_id and r.status in ('running', 'continued'));
end;
$$;

comment on function nightshift.forget_decisions is 'Deletes what runs that have ended knew of rows.';
