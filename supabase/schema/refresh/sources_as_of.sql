create or replace function nightshift.sources_as_of(view regclass)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when bool_and(p.data_as_of is not null) is not false
    then coalesce(min(p.data_as_of), 'infinity') else '-infinity' end
  from nightshift.views_read(sources_as_of.view) r(relation)
  left join lateral nightshift.policy_of_view(r.relation) p on true;
$$;

comment on function nightshift.sources_as_of is
  'How old the data is that a view would be made from now: data_as_of of the oldest view that it reads, -infinity when that of one is not known (it has no policy, or was not refreshed yet), infinity when it reads no view.';
