create or replace function nightshift.follow_renames()
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update nightshift.refresh_policies p
  set view_name = c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.oid = p.view and c.relkind = 'm' and p.view_name <> c.oid::regclass::text;
end;
$$;

comment on function nightshift.follow_renames is 'Notes the present name of every view that has a policy.';
