-- Health check views_exposed: materialized views that the Data API can read.
-- Why: there is no row level security on them, so each role sees what their owner saw.

create or replace function nightshift.health_views_exposed(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with role as materialized (
    select r.oid, r.rolname from nightshift.api_roles() a(oid) join pg_catalog.pg_roles r on r.oid = a.oid
  )
  select
    c.oid::regclass::text,
    (e.roles is not null)::integer::numeric,
    coalesce(format('all of its rows can be read by %s; the fix takes it from them, so what reads it over the API as one of them gets 42501 then%s',
      e.roles, ', as do those who use ' || nightshift.read_as_caller(c.oid)), 'out of the reach of the API'),
    case when e.roles is not null then format('revoke all on %s from public, %s;', c.oid::regclass,
      (select string_agg(format('%I', r.rolname), ', ' order by r.rolname) from role r)) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  cross join lateral (
    select string_agg(r.rolname, ' and ' order by r.rolname)
    from role r
    where has_schema_privilege(r.oid, c.relnamespace, 'usage') and has_any_column_privilege(r.oid, c.oid, 'select')
  ) e(roles)
  where c.relkind = 'm'
    and c.oid in (select a from nightshift.application_tables() a);
end;
$$;

comment on function nightshift.health_views_exposed is
  '1 for each materialized view of which a role of the Data API may read a column, in a schema it may use; 0 for others. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'views_exposed',
  title => 'Materialized views open to the API',
  healthy => 'No materialized view can be read over the API.',
  why => 'A materialized view has no row level security: whoever may read it sees all of its rows, also those its tables would withhold.',
  unit => 'count', warning => 1
);
