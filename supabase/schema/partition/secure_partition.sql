create or replace function nightshift.secure_partition(partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  execute format('alter table %s enable row level security', partition);
  for grantee in
    select 'public'
    union all
    select a::regrole::text from nightshift.api_roles() a
  loop
    execute format('revoke all on %s from %s cascade', partition, grantee);
  end loop;
end;
$$;

comment on function nightshift.secure_partition is
  'Takes a partition out of the reach of the API: row level security, and nothing granted to public and the roles of the API.';
