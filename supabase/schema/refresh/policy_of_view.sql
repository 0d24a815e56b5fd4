create or replace function nightshift.policy_of_view(view regclass)
returns setof nightshift.refresh_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.refresh_policies p
  -- Few can be meant: to ask each policy for its view would unpack what is known of every view, for each.
  where (p.view = policy_of_view.view or p.view_name = policy_of_view.view::text)
    and nightshift.view_of(p) = policy_of_view.view;
end;
$$;

comment on function nightshift.policy_of_view is 'The policy of a materialized view, if any: see view_of.';
