create or replace function nightshift.find_refresh_policy(name text)
returns nightshift.refresh_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.refresh_policies p
  where nightshift.view_of(p) = nightshift.find_view(find_refresh_policy.name)
    or nightshift.view_of(p) is null and p.view_name = find_refresh_policy.name
  limit 1;
$$;

comment on function nightshift.find_refresh_policy is
  'The policy of a view named as SQL writes it or, for a view that is gone, by the name it had last; null without one.';
