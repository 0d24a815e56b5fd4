create or replace function nightshift.find_vacuum_policy(name text)
returns nightshift.vacuum_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.vacuum_policies p
  where p.relation = nightshift.find_relation(find_vacuum_policy.name) or p.relation_name = find_vacuum_policy.name
  order by p.relation = nightshift.find_relation(find_vacuum_policy.name) desc
  limit 1;
$$;

comment on function nightshift.find_vacuum_policy is
  'The policy of a table named as SQL writes it or, for a table that is gone, by the name it had; null without one.';
