create or replace function nightshift.declared_since(job nightshift.jobs)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz;
begin
  if job.policies is not null then
    execute format('select min(p.created_at) from %s p where p.enabled', job.policies) into oldest;
  end if;
  return oldest;
end;
$$;

comment on function nightshift.declared_since is 'When the oldest enabled policy of a job was declared; null when it has none.';
