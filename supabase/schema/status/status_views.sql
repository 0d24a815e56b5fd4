create or replace function nightshift.status_views(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with known as (
    select p as policy, coalesce(v.view::text, p.view_name) as name, v.view, b.seconds as budget, a.seconds as age,
      case
        when not p.enabled then 'off'
        when v.view is null then 'gone'
        when a.seconds >= b.seconds then 'stale'
        when p.data_as_of is null then 'unknown'
        else 'fresh'
      end as state
    from nightshift.refresh_policies p
    cross join nightshift.view_of(p) v(view)
    cross join lateral (select extract(epoch from p.max_staleness)::bigint) b(seconds)
    -- As the health check stale_views has it: of a view that was refreshed from data of unknown age, nothing is known.
    cross join lateral (select case when p.data_as_of is not null or p.last_refreshed_at is null
      then greatest(extract(epoch from status_views.as_of - coalesce(p.data_as_of, p.created_at)), 0)::bigint end) a(seconds)
  ),
  listed as (
    select k.*, array_position(array['stale', 'gone', 'unknown', 'fresh', 'off'], k.state) as place
    from known k
    order by place, k.name
    limit 200
  )
  select jsonb_build_object('total', (select count(*) from known), 'items', coalesce(jsonb_agg(jsonb_build_object(
    'view', l.name,
    'state', l.state,
    'refreshedAt', (l.policy).last_refreshed_at,
    'dataAsOf', (l.policy).data_as_of,
    'ageSeconds', l.age,
    'budgetSeconds', l.budget,
    'usualDurationMs', (
      select max(d.duration_ms) from (
        select r.duration_ms from nightshift.view_refreshes r
        where r.view = l.view and r.status = 'refreshed'
        order by r.id desc
        limit 3
      ) d
    ),
    'reads', coalesce(r.first, '[]'),
    'readsTotal', coalesce(r.total, 0)
  ) order by l.place, l.name), '[]'))
  from listed l
  left join lateral (
    select count(*) as total, jsonb_agg(o.name order by o.name) filter (where o.place <= 30) as first
    from (
      select n.name, row_number() over (order by n.name) as place
      from (
        select distinct w.relation::text from nightshift.view_reads(l.view, false) w where w.kind in ('r', 'p', 'm', 'f')
      ) n(name)
    ) o
  ) r on l.view is not null;
$$;

comment on function nightshift.status_views is
  'The section views of the snapshot: how old the data of each view with a refresh policy is, what it may be, and which tables and materialized views its query reads, also through ordinary views (at most 30 of them).';
