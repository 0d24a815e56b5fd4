create or replace function nightshift.run_by_hand(policies regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('-- npm run nightshift -- run %s', j.name) from nightshift.jobs j where j.policies = run_by_hand.policies
  );
end;
$$;

comment on function nightshift.run_by_hand is 'How to run by hand the job that goes by a table of policies.';
