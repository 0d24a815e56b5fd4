create or replace function nightshift.stray_tables(policy regclass)
returns regclass[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  keys constant nightshift.purge_key[] := array(select k from nightshift.purge_keys(array[stray_tables.policy::oid]) k);
begin
  return array(
    select distinct k.referencing
    from nightshift.retention_keys k
    where k.policy = stray_tables.policy
      and not exists (
        select from unnest(keys) p
        where p.referencing = k.referencing and p.role = k.role
      )
    order by k.referencing
  );
end;
$$;

comment on function nightshift.stray_tables is
  'The tables of which a policy says something, and which refer to none of its rows any more, or not as it says.';
