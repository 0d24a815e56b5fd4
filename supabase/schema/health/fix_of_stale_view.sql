create or replace function nightshift.fix_of_stale_view(policy nightshift.refresh_policies)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Its own function, for refresh materialized view by hand leaves no record of how old the data is.
  select string_agg(concat(
    case
      when w.way ->> 'problem' is null then null
      when not nightshift.may_refresh(current_user, v.view) or not c.relispopulated then (w.way ->> 'fix') || ' '
      else format('select nightshift.alter_refresh_policy(%L, allow_blocking => true); ', v.view)
    end,
    format('select nightshift.refresh_policy_view(nightshift.find_refresh_policy(%L)%s);', v.view,
      -- As long as its age is not known, that it has not changed says nothing.
      case when p.data_as_of is null and p.last_refreshed_at is not null then ', true' end)
  ), ' ' order by v.place)
  from unnest(nightshift.views_below(nightshift.view_of(policy)) || nightshift.view_of(policy)) with ordinality v(view, place)
  join pg_catalog.pg_class c on c.oid = v.view
  cross join lateral nightshift.find_refresh_policy(v.view::text) p
  cross join lateral (select nightshift.refresh_way(v.view, p.allow_blocking)) w(way)
  where p.view is not null;
$$;

comment on function nightshift.fix_of_stale_view is 'SQL that refreshes a view of a policy, after those that it is made from, and keeps a record of it.';
