create or replace function nightshift.tables_of_policy(policy nightshift.vacuum_policies)
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select b.oid
  from nightshift.partitions_below(coalesce(
    (select c.oid::regclass from pg_catalog.pg_class c where c.oid = policy.relation), nightshift.find_relation(policy.relation_name)
  )) b(oid)
  where b.oid is not null;
$$;

comment on function nightshift.tables_of_policy is
  'The table of a vacuum policy with its partitions; nothing when it is gone.';
