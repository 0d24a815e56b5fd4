create or replace function nightshift.remove_vacuum_policy(relation text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.vacuum_policies := nightshift.find_vacuum_policy(remove_vacuum_policy.relation);
begin
  if policy.relation is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no vacuum policy', coalesce(remove_vacuum_policy.relation, 'null')),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.relation_name, ', ' order by p.relation_name) from nightshift.vacuum_policies p), 'no table')),
      hint = 'Name the table with its schema, and with quotes where SQL needs them. A table that is gone goes by its last name.';
  end if;
  delete from nightshift.vacuum_policies p where p.relation = policy.relation;
  return nightshift.describe_vacuum_policy(policy);
end;
$$;

comment on function nightshift.remove_vacuum_policy is
  'Removes the policy of a table, which is then vacuumed as all others are. Returns what was removed. Errors: NS404.';
