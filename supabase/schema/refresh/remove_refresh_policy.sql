create or replace function nightshift.remove_refresh_policy(view text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(remove_refresh_policy.view);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', remove_refresh_policy.view),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name the view with its schema, and with quotes where SQL needs them. A view that is gone goes by its last name.';
  end if;
  delete from nightshift.refresh_policies p where p.view = policy.view;
  return nightshift.describe_refresh_policy(policy);
end;
$$;

comment on function nightshift.remove_refresh_policy is
  'Removes the policy of a view, or of one that is gone by the name it had last; the view stays as it is. Waits while the view is being refreshed. Returns what was removed. Errors: NS404.';
