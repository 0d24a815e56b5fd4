-- Health check stale_views: how old the data of each view with a refresh policy is, against its budget.
-- Why: a view that is refreshed no more answers as fast as ever, and wrongly.

create or replace function nightshift.health_stale_views(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    v.view::text,
    case when not n.unknown then a.seconds end,
    format('Its data may be %s old. %s', p.max_staleness, case
      when p.data_as_of is not null then to_char(p.data_as_of at time zone 'UTC', '"It is that of "YYYY-MM-DD HH24:MI" UTC."')
      else to_char(p.created_at at time zone 'UTC',
        '"It has not been refreshed since its policy was declared, "YYYY-MM-DD HH24:MI" UTC."') end),
    case
      when not u.declared then format('select nightshift.add_refresh_policy(%L);', u.source)
      when n.unknown or a.seconds >= b.seconds then nightshift.fix_of_stale_view(p)
    end,
    null::numeric, b.seconds, 2 * b.seconds,
    case when n.unknown then 'How old its data is nobody knows: ' || case
      when not u.declared then format('it is made from %s, which has no refresh policy.', u.source)
      when u.declared then format('it is made from %s, which has not been refreshed by its policy yet.', u.source)
      else 'when it was refreshed, that of what it is made from was not known.' end end
  from nightshift.refresh_policies p
  cross join nightshift.view_of(p) v(view)
  cross join lateral (select
    round(greatest(extract(epoch from health_stale_views.as_of - coalesce(p.data_as_of, p.created_at)), 0))) a(seconds)
  cross join lateral (select extract(epoch from p.max_staleness)) b(seconds)
  cross join lateral (select p.data_as_of is null and p.last_refreshed_at is not null) n(unknown)
  left join lateral (
    select r.relation, o.view is not null
    from nightshift.view_reads(v.view) r
    left join nightshift.refresh_policies o on nightshift.view_of(o) = r.relation
    where n.unknown and r.kind = 'm' and o.data_as_of is null
    order by o.view is not null, r.relation::text
    limit 1
  ) u(source, declared) on true
  -- That a view is gone is said by policies_broken.
  where p.enabled and v.view is not null;
end;
$$;

comment on function nightshift.health_stale_views is
  'Seconds of age of the data of a view with an enabled refresh policy, as list_refresh_policies has it; before its first refresh, since the policy was declared. The warning is at its max_staleness, critical is twice that. Unknown where it is made from a view whose age is not known. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'stale_views',
  title => 'Age of the data of views',
  healthy => 'No view is past its max_staleness.',
  why => 'A view that is refreshed no more answers as fast as ever, with the figures of last week.',
  -- Those of the default of max_staleness, 26 hours; each view has its own.
  unit => 'seconds', warning => 93600, critical => 187200
);
