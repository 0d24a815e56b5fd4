create or replace function nightshift.refers_to_policy(relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from pg_catalog.pg_constraint c
    cross join lateral nightshift.related_tables(c.confrelid) r(referenced)
    where c.conrelid in (select nightshift.related_tables(refers_to_policy.relation)) and c.contype = 'f'
      and (
        exists (select from nightshift.retention_policies p where p.enabled and p.relation::oid = r.referenced)
        or exists (select from nightshift.retention_keys k where k.role = 'child' and k.referencing::oid = r.referenced)
      )
  );
end;
$$;

comment on function nightshift.refers_to_policy is 'Whether a table has a foreign key to rows that go by a retention policy, as due ones or as children.';
