create or replace function nightshift.tables_of_policy(policy nightshift.vacuum_policies)
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select b.oid
  from nightshift.partitions_below(nightshift.table_of_policy(policy)) b(oid)
  where b.oid is not null;
$$;

comment on function nightshift.tables_of_policy is
  'The table of a vacuum policy with its partitions; nothing when it is gone.';
