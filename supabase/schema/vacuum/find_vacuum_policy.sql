create or replace function nightshift.find_vacuum_policy(name text)
returns nightshift.vacuum_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.vacuum_policies p
  cross join lateral nightshift.table_of_policy(p) t(relation)
  where t.relation = nightshift.find_relation(find_vacuum_policy.name)
    or t.relation is null and p.relation_name = find_vacuum_policy.name
  order by t.relation = p.relation desc nulls last
  limit 1;
$$;

comment on function nightshift.find_vacuum_policy is
  'The policy of a table named as SQL writes it or, for a table that is gone, by the name it had; null without one.';
