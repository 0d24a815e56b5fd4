create or replace function nightshift.plan_view_refresh(run_id uuid, fence bigint, only_views text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  counted timestamptz := nightshift.counted_until();
  composites constant oid[] := nightshift.composite_types();
  assessed jsonb;
begin
  perform nightshift.require_refresh_policies(only_views);
  select jsonb_object_agg(p.view::oid, nightshift.assess_view(p, counted_until => counted, composites => composites))
  into assessed
  from nightshift.refresh_policies p;
  if not run.dry_run then
    perform nightshift.trim_view_refreshes();
    perform nightshift.follow_renames();
    perform nightshift.note_unchanged(assessed);
  end if;

  return jsonb_build_object(
    'secondsSinceLastSchedule', (
      select extract(epoch from run.started_at - max(r.started_at))::bigint
      from nightshift.runs r
      where r.job = run.job and r.trigger = 'schedule' and r.started_at < run.started_at and r.status <> 'skipped'
    ),
    'views', (
      select coalesce(jsonb_agg(
        nightshift.describe_view(p, assessed -> p.view::oid::text, now()) || jsonb_build_object(
          'timedOutInRun', exists (
            select 1 from nightshift.view_refreshes v
            where v.run_id = run.id and v.view = nightshift.view_of(p) and v.error ->> 'code' = '57014'
          ),
          'selected', p.view in (select (nightshift.find_refresh_policy(o)).view from unnest(only_views) o),
          'refreshed', (
            select nightshift.describe_refresh(f)
            from nightshift.find_refresh(run_id, nightshift.view_of(p)) f
            where f.id is not null
          )
        )
        order by p.view_name
      ), '[]')
      from nightshift.refresh_policies p
    )
  );
end;
$$;

comment on function nightshift.plan_view_refresh is
  '{views: every policy with the state of its view (see describe_view), whether only_views names it (selected), and what this run has refreshed already (refreshed); secondsSinceLastSchedule: from the start of the last scheduled run to that of this one, or null}. Notes how current the views without a change are. only_views: names as SQL writes them. Errors: NS404 for a name without a policy, NS422 for one that is switched off, NS409 lease lost.';
