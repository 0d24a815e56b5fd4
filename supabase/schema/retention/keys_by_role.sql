create or replace function nightshift.keys_by_role(policy regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_object_agg(r.role, nightshift.keys_in_words(keys_by_role.policy, r.role))
    from (values ('child'), ('release'), ('keep')) r(role)
  );
end;
$$;

comment on function nightshift.keys_by_role is 'What keys_in_words says of each role in a policy: {child, release, keep}.';
