create or replace function nightshift.require_one_policy(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  other regclass;
begin
  select o.relation into other
  from nightshift.retention_policies o
  where o.relation <> require_one_policy.relation
    and (
      o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(require_one_policy.relation) a(relid))
      or require_one_policy.relation in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
    )
  order by o.relation
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('A partition or a parent of %s has a retention policy already: %s', relation, other),
      detail = 'Rows of the partition would be due by two policies.',
      hint = format('One policy on the partitioned table covers all of its partitions: select nightshift.remove_retention_policy(%L);',
        case when relation in (select a.relid from pg_catalog.pg_partition_ancestors(other) a(relid)) then other else relation end);
  end if;
end;
$$;

comment on function nightshift.require_one_policy is
  'Raises NS422, with the fix in the hint, when a partition of a table, or what it is a partition of, has a retention policy as well.';
