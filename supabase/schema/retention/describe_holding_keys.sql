create or replace function nightshift.describe_holding_keys(policy regclass, scope oid[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'key', t.name, 'table', t.referencing::text, 'fix', nightshift.settle_key(describe_holding_keys.policy, t.key),
      'leftOut', t.role in ('hold', 'keep') and t.own_policy and not exists (
        select from nightshift.related_policies(t.referencing) p where p.relation::oid = any(scope)
      )
    ))
    from nightshift.reference_tree(describe_holding_keys.policy) t
  ), '[]');
end;
$$;

comment on function nightshift.describe_holding_keys is
  'Who refers to rows that go by a policy, as JSON: [{key, table, fix: the call that settles it, null where the policy says that it may hold rows, leftOut: rows that refer have a policy, which is not in scope}].';
