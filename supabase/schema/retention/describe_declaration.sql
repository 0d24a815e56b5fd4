create or replace function nightshift.describe_declaration(policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select nightshift.describe_retention_policy(policy) || jsonb_build_object(
      'warnings', nightshift.retention_warnings(policy.relation) || coalesce((
        select jsonb_agg(t)
        from nightshift.policy_members(array[policy.relation::oid]) m
        cross join lateral nightshift.describe_delete_triggers(m.member) t
      ), '[]'),
      'holders', nightshift.describe_holders(policy)
    )
  );
end;
$$;

comment on function nightshift.describe_declaration is
  'What whoever declares or changes a policy is to know: the policy, warnings, and the tables that would hold its rows.';
