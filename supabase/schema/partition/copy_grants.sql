create or replace function nightshift.copy_grants(parent regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
begin
  for command in
    -- What default privileges gave goes first.
    select format('revoke all on %s from %s', partition_name, case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = partition and a.grantee <> c.relowner
    group by a.grantee
    union all
    select format('grant %s on %s to %s%s', string_agg(a.privilege_type, ', '), partition_name, a.grantee::regrole,
      case when a.is_grantable then ' with grant option' else '' end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = parent
      and a.grantee not in (0, c.relowner)
      and not exists (
        select 1 from nightshift.api_roles() r(oid) where pg_has_role(r.oid, a.grantee, 'member')
      )
    group by a.grantee, a.is_grantable
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_grants is
  'Grants on a partition what its table grants, to all but public, the roles of the API and those that they are members of: they go through the table.';
