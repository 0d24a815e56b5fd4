create or replace function nightshift.settle_users()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  functions constant text := (select string_agg(format('nightshift.%I', f), ', ') from unnest(nightshift.user_functions()) f);
begin
  if to_regrole('authenticated') is null then
    return;
  end if;
  if exists (select from nightshift.soft_delete_tables t where t.for_users) then
    execute 'grant usage on schema nightshift to authenticated';
    execute format('grant execute on function %s to authenticated', functions);
  else
    execute format('revoke execute on function %s from authenticated', functions);
    execute 'revoke usage on schema nightshift from authenticated';
  end if;
end;
$$;

comment on function nightshift.settle_users is
  'Lets authenticated call soft_delete and restore, where a table is enabled for users, and nothing where none is.';
