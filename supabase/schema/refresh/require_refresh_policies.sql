create or replace function nightshift.require_refresh_policies(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where (nightshift.find_refresh_policy(o)).view is null;
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No refresh policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name views as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."SalesByDay".';
  end if;

  select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ') into unknown
  from unnest(names) o
  cross join lateral nightshift.find_refresh_policy(o) p
  where not p.enabled;
  if unknown is not null then
    raise exception using
      errcode = 'NS422',
      message = format('Switched off: %s', unknown),
      hint = (
        select string_agg(format('select nightshift.alter_refresh_policy(%L, enabled => true);', o), ' ') from unnest(names) o
        where not (nightshift.find_refresh_policy(o)).enabled
      );
  end if;
end;
$$;

comment on function nightshift.require_refresh_policies is
  'Raises NS404, with the views that have a refresh policy, for names as SQL writes them that have none, and NS422 for those whose policy is switched off.';
