create or replace function nightshift.table_of_policy(policy nightshift.vacuum_policies)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select c.oid::regclass from pg_catalog.pg_class c where c.oid = policy.relation), nightshift.find_relation(policy.relation_name)
  );
$$;

comment on function nightshift.table_of_policy is
  'The table of a vacuum policy, whatever it is called by now, or the one that has the name of one that was dropped; null when it is gone.';
