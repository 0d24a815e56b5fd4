-- Health check failed_restores: rows that could not be restored in the last hour.
-- Why: each is a user who wants something back, and most often another row has taken its unique value meanwhile.

create or replace function nightshift.health_failed_restores(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    e.relation_name,
    coalesce(sum(e.rows) filter (where e.action = 'restore_failed'), 0),
    format('%s of %s rows: %s.', nightshift.figure(coalesce(sum(e.rows) filter (where e.action = 'restore_failed'), 0)), nightshift.figure(sum(e.rows)), coalesce((
      select string_agg(format('%s%s%s (%s)', w.code, ' ' || w.violated, ' in ' || w.place, nightshift.figure(w.n)), ', ' order by w.n desc, w.code, w.violated, w.place)
      from (
        select f ->> 'code' as code, f ->> 'constraint' as violated, f ->> 'raisedIn' as place, sum((f ->> 'rows')::bigint) as n
        from unnest(array_agg(e.details) filter (where e.action = 'restore_failed')) a(reasons), jsonb_array_elements(a.reasons) f
        group by 1, 2, 3
      ) w
    ), 'none failed')),
    format('select nightshift.list_deletion_events(%L);', e.relation_name),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.deletion_events e
  where e.action in ('restore', 'restore_failed')
    and e.at > health_failed_restores.as_of - interval '1 hour' and e.at <= health_failed_restores.as_of
  group by e.relation_name;
end;
$$;

comment on function nightshift.health_failed_restores is
  'Rows that nightshift.restore could not restore in the hour before as_of, by table. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'failed_restores',
  title => 'Restores that failed',
  healthy => 'No restore failed in the last hour.',
  why => 'Somebody wants these rows back, and something that was written since is in their way.',
  unit => 'count', warning => 1, quick => true
);
