create or replace function nightshift.covering_policy(relation regclass, scope oid[])
returns setof nightshift.retention_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.retention_policies p
  where p.enabled
    and p.relation::oid = any(covering_policy.scope)
    and (
      p.relation = covering_policy.relation
      or p.relation in (select a.relid from pg_catalog.pg_partition_ancestors(covering_policy.relation) a(relid))
    );
end;
$$;

comment on function nightshift.covering_policy is
  'The enabled policy within scope that covers a table or partition, if any.';
