create or replace function nightshift.warn_of_namesake(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select format(
    '%1$s was called %2$s when its policy was declared, which is another table now, without a policy. Fix: declare one there, with nightshift.add_retention_policy; and if this one is meant as well: select nightshift.alter_retention_policy(%1$L);',
    p.relation, p.relation_name
  )
  from nightshift.retention_policies p
  where p.relation = warn_of_namesake.relation
    and exists (
      select from pg_catalog.pg_class n
      where n.oid = nightshift.find_relation(p.relation_name) and n.oid <> p.relation and n.relkind in ('r', 'p')
        and not exists (select from nightshift.retention_policies o where o.relation = n.oid)
    );
end;
$$;

comment on function nightshift.warn_of_namesake is
  'A sentence with the fix where another table has taken the name that a policy was declared for, as when a table is replaced by a copy of it.';
