create or replace function nightshift.is_forced(run nightshift.runs, relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from unnest(nightshift.forced_names(run)) f(name) where nightshift.find_relation(f.name) = is_forced.relation
  );
end;
$$;

comment on function nightshift.is_forced is 'Whether the input of a run names a table in force, so that the brake does not hold for it.';
