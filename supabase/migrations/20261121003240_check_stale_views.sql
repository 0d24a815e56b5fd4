-- Health check stale_views: how old the data of each view with a refresh policy is, against its budget.
-- Why: a view that is refreshed no more answers as fast as ever, and wrongly.
-- Locks: none.

create function nightshift.views_below(view regclass)
returns regclass[]
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  with recursive below(view, depth) as (
    select views_below.view::oid, 0
    union
    select r.relation::oid, b.depth + 1
    from below b
    cross join lateral nightshift.view_reads(b.view::regclass) r
    where r.kind = 'm' and b.depth < 20
  )
  select coalesce(array_agg(o.view::regclass order by o.depth desc, o.view), '{}')
  from (select b.view, max(b.depth) as depth from below b where b.depth > 0 group by b.view) o;
end;

comment on function nightshift.views_below is
  'The materialized views that a materialized view is made from, directly or not, each after those that it reads itself.';

create function nightshift.fix_of_stale_view(policy nightshift.refresh_policies)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  -- Its own function, for refresh materialized view by hand leaves no record of how old the data is.
  select string_agg(concat(
    case
      when w.way ->> 'problem' is null then null
      when not pg_has_role(c.relowner, 'usage') then (w.way ->> 'fix') || ' '
      when not c.relispopulated then format('refresh materialized view %s; ', v.view)
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
end;

comment on function nightshift.fix_of_stale_view is 'SQL that refreshes a view of a policy, after those that it is made from, and keeps a record of it.';

create function nightshift.health_stale_views(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
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

comment on function nightshift.health_stale_views is
  'Seconds of age of the data of a view with an enabled refresh policy, as list_refresh_policies has it; before its first refresh, since the policy was declared. The warning is at its max_staleness, critical is twice that. Unknown where it is made from a view whose age is not known. See nightshift.health_checks.';

revoke all on function nightshift.views_below, nightshift.fix_of_stale_view, nightshift.health_stale_views from public, anon, authenticated;

insert into nightshift.health_checks (name, title, healthy, why, unit, warning, critical) values (
  'stale_views',
  'Age of the data of views',
  'No view is past its max_staleness.',
  'A view that is refreshed no more answers as fast as ever, with the figures of last week.',
  -- Those of the default of max_staleness, 26 hours; each view has its own.
  'seconds', 93600, 187200
);
