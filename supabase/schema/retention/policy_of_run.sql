create or replace function nightshift.policy_of_run(relation text)
returns nightshift.retention_policies
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  select p.* into policy from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(policy_of_run.relation);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'It was removed, or its table dropped or renamed, since the run began.';
  end if;
  return policy;
end;
$$;

comment on function nightshift.policy_of_run is
  'The policy of a table that the plan of a run has named. Errors: NS404.';
