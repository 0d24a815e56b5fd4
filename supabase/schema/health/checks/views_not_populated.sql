-- Health check views_not_populated: materialized views that hold nothing and cannot be read.
-- Why: a query on one is an error until it is refreshed for the first time.

create or replace function nightshift.health_views_not_populated(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with recursive missing(view, source) as (
    select c.oid, s.oid
    from pg_catalog.pg_class c
    cross join lateral nightshift.view_reads(c.oid) r
    join pg_catalog.pg_class s on s.oid = r.relation
    where c.relkind = 'm' and not c.relispopulated and r.kind = 'm' and not s.relispopulated
  ),
  missing_below as (
    select m.view, m.source from missing m
    union
    select b.view, m.source from missing_below b join missing m on m.view = b.source
  )
  select
    c.oid::regclass::text,
    (not c.relispopulated)::integer::numeric,
    case when c.relispopulated then 'populated'
      when b.views is not null then format('reads what is not populated either: %s', nightshift.name_some(b.views))
      else 'created or refreshed with no data' end,
    case when not c.relispopulated then (
      -- What a view reads was there before it.
      select string_agg(format('refresh materialized view %s;', v.oid::regclass), ' ' order by v.oid)
      from unnest(b.views || c.oid) v(oid)
    ) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  left join (
    select m.view, array_agg(m.source order by m.source) as views from missing_below m group by m.view
  ) b on b.view = c.oid
  where c.relkind = 'm'
    and c.oid in (select a from nightshift.application_tables() a);
end;
$$;

comment on function nightshift.health_views_not_populated is
  '1 for each materialized view that is not populated, 0 for others. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'views_not_populated',
  title => 'Materialized views without data',
  healthy => 'Every materialized view is populated.',
  why => 'Whoever reads it gets an error, and a refresh without blocking its readers is refused until it has been refreshed once.',
  unit => 'count', warning => 1
);
