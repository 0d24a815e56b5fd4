-- The plan of a refresh: which views need one now, and why.
-- Why: what has changed is told by the catalogs and the counters, in one call for all views.
-- Locks: none on any existing object; at run time none on those of the application.

create function nightshift.check_lease(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs;
begin
  select r.* into run from nightshift.runs r
  where r.id = check_lease.run_id and r.fence = check_lease.fence and r.status = 'running';
  if not found then
    raise exception using
      errcode = 'NS409',
      message = format('Run %s no longer holds the lease under fence %s', run_id, fence),
      detail = 'The lease ran out, the run was finished, or another attempt took over. Nothing was changed.',
      hint = 'Stop this attempt. The run that took over finishes the work.';
  end if;
  return run;
end;
$$;

comment on function nightshift.check_lease is
  'The fence for work that takes longer than a lease and may run beside other work of its run: refuses with NS409 as hold_run does, but neither extends the lease (heartbeat_run does) nor locks the run. For work that does no harm when a takeover repeats it.';

create function nightshift.assess_view(
  policy nightshift.refresh_policies,
  force boolean default false,
  as_of timestamptz default now(),
  counted_until timestamptz default null
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  view regclass := nightshift.view_of(policy);
  -- Before the counters are read: a session that comes to rest in between must not be taken for counted.
  known_at timestamptz := coalesce(assess_view.counted_until, nightshift.counted_until(as_of));
  state jsonb;
  change text;
  rests_until timestamptz;
begin
  if view is null then
    return jsonb_build_object('reason', 'gone', 'detail', 'neither it nor another view of its name is there');
  end if;
  state := nightshift.view_state(view);
  if force then
    return jsonb_build_object('reason', 'forced', 'detail', 'asked for by hand', 'state', state);
  end if;
  if not (select c.relispopulated from pg_catalog.pg_class c where c.oid = view) then
    return jsonb_build_object('reason', 'never', 'detail', 'it holds no data', 'state', state);
  end if;
  if policy.state is null or policy.view <> view then
    return jsonb_build_object('reason', 'never', 'state', state, 'detail', case
      when policy.state is null then 'Nightshift has not refreshed it yet' else 'it was created anew' end);
  end if;

  change := nightshift.what_changed(policy.state, state);
  if change is null then
    known_at := greatest(policy.last_refreshed_at, known_at);
    if as_of - known_at < policy.max_staleness then
      return jsonb_build_object(
        'reason', 'unchanged', 'detail', 'nothing it reads has changed', 'knownAt', known_at, 'state', state
      );
    end if;
    return jsonb_build_object(
      'reason', 'stale', 'state', state,
      'detail', 'a transaction that is still open keeps the counters from saying whether it changed'
    );
  end if;
  if as_of - coalesce(policy.data_as_of, policy.created_at) >= policy.max_staleness then
    return jsonb_build_object('reason', 'stale', 'detail', change, 'state', state);
  end if;
  -- Ten calls in a second refresh once, and no view is being refreshed for more than half of the time.
  rests_until := policy.last_refreshed_at
    + greatest(interval '10 seconds', make_interval(secs => policy.last_refresh_ms / 1000.0));
  if as_of < rests_until then
    return jsonb_build_object('reason', 'recent', 'state', state, 'detail', format(
      '%s, but it was refreshed %s s ago; from %s UTC on it is again, or with force', change,
      extract(epoch from as_of - policy.last_refreshed_at)::integer, to_char(rests_until at time zone 'UTC', 'HH24:MI:SS')
    ));
  end if;
  return jsonb_build_object('reason', 'changed', 'detail', change, 'state', state);
end;
$$;

comment on function nightshift.assess_view is
  'Whether a view needs a refresh: {reason, detail in words, state: see view_state}. never: no refresh of it is on record, or it holds no data; stale: it changed, or may have, and is older than max_staleness; changed; forced; and, where it needs none: unchanged (knownAt: nothing had changed until then); recent: changed, but refreshed less than 10 seconds or its last duration ago; gone. counted_until: as nightshift.counted_until had it before.';

create function nightshift.sources_as_of(view regclass)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select case when bool_and(p.data_as_of is not null) is not false
    then coalesce(min(p.data_as_of), 'infinity') else '-infinity' end
  from nightshift.view_reads(sources_as_of.view) r
  left join nightshift.refresh_policies p on nightshift.view_of(p) = r.relation
  where r.kind = 'm';
end;

comment on function nightshift.sources_as_of is
  'How old the data is that a view would be made from now: data_as_of of the oldest view that it reads, -infinity when that of one is not known (it has no policy, or was not refreshed yet), infinity when it reads no view.';

create function nightshift.describe_view(policy nightshift.refresh_policies, assessed jsonb, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  target regclass := nightshift.view_of(policy);
  entry jsonb := nightshift.describe_refresh_policy(policy) || (assessed - 'state');
begin
  if target is null then
    return entry || jsonb_build_object('dependsOn', '[]'::jsonb, 'warnings', '[]'::jsonb);
  end if;
  return entry
    || nightshift.refresh_way(target, policy.allow_blocking)
    || jsonb_build_object(
      'dataAsOf', policy.data_as_of,
      'stalenessSeconds', greatest(extract(epoch from as_of - coalesce(policy.data_as_of, policy.created_at))::bigint, 0),
      'maxStalenessSeconds', extract(epoch from policy.max_staleness)::bigint,
      'dependsOn', (
        select coalesce(jsonb_agg(v::text order by v::text), '[]')
        from nightshift.refresh_policies p, nightshift.view_of(p) v
        where assessed #> '{state,sources}' ? v::oid::text
      ),
      'usualMs', (
        select max(l.duration_ms)
        from (
          select v.duration_ms
          from nightshift.view_refreshes v
          where v.view = target and (v.status = 'refreshed' or v.error ->> 'code' = '57014')
          order by v.id desc
          limit 3
        ) l
      ),
      'timedOut', coalesce((
        select v.error ->> 'code' = '57014' from nightshift.view_refreshes v where v.view = target order by v.id desc limit 1
      ), false),
      'warnings', nightshift.refresh_warnings(target, policy.allow_blocking, assessed #>> '{state,untracked}')
    );
end;
$$;

comment on function nightshift.describe_view is
  'The policy, what assess_view and refresh_way say of its view, dataAsOf (its data is known to be that of this moment, or of a later one; null before the first refresh), stalenessSeconds (since then, or since the policy was declared), dependsOn (the views with a policy that it reads), usualMs (the longest of its last three refreshes), timedOut (the last refresh, or try of one, ran into the time limit), warnings.';

create function nightshift.list_refresh_policies(as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
begin atomic
  select coalesce(jsonb_agg(
    nightshift.describe_view(
      p, nightshift.assess_view(p, as_of => list_refresh_policies.as_of), list_refresh_policies.as_of
    )
    order by p.view_name
  ), '[]')
  from nightshift.refresh_policies p;
end;

comment on function nightshift.list_refresh_policies is
  'Every policy with the state of its view, as one JSON array: see describe_view.';

create function nightshift.describe_refresh(refresh nightshift.view_refreshes)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'outcome', refresh.status,
    'reason', refresh.reason,
    'detail', refresh.detail,
    'mode', refresh.mode,
    'startedAt', refresh.started_at,
    'durationMs', refresh.duration_ms,
    'rows', refresh.row_count,
    'sizeBytes', refresh.size_bytes,
    'deadRows', refresh.dead_rows
  );
end;

comment on function nightshift.describe_refresh is 'The JSON document of a refresh.';

create function nightshift.find_refresh(run_id uuid, view regclass)
returns nightshift.view_refreshes
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select v.*
  from nightshift.view_refreshes v
  where v.run_id = find_refresh.run_id and v.view = find_refresh.view and v.status = 'refreshed';
end;

comment on function nightshift.find_refresh is 'The refresh of a view by a run, which makes at most one; null without one.';

create function nightshift.trim_view_refreshes()
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  with trimmed as (
    delete from nightshift.view_refreshes v
    where v.id in (
      select old.id
      from nightshift.view_refreshes old
      where old.started_at < now() - (select s.ledger_retention from nightshift.settings s)
      order by old.started_at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
end;

comment on function nightshift.trim_view_refreshes is
  'Deletes at most 1,000 records of refreshes older than settings.ledger_retention (default 90 days); returns how many. plan_view_refresh calls it.';

create function nightshift.note_unchanged(assessed jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    -- A view is no newer than what it reads, so those come first: level by level, until nothing moves any more.
    update nightshift.refresh_policies p
    set data_as_of = n.known_at
    from (
      select l.view,
        least((assessed -> l.view::oid::text ->> 'knownAt')::timestamptz, nightshift.sources_as_of(nightshift.view_of(l))) as known_at
      from nightshift.refresh_policies l
      where assessed -> l.view::oid::text ? 'knownAt'
      -- One that is being refreshed is another question, and not worth waiting for.
      for no key update skip locked
    ) n
    where p.view = n.view and n.known_at > p.data_as_of;
    exit when not found;
  end loop;
end;
$$;

comment on function nightshift.note_unchanged is
  'Notes of views that have not changed that they are as current as that says, and as what they read. assessed: by the oid of the view, what assess_view said.';

create function nightshift.plan_view_refresh(run_id uuid, fence bigint, only_views text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  counted timestamptz := nightshift.counted_until();
  assessed jsonb;
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(only_views) o
  where (nightshift.find_refresh_policy(o)).view is null;
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No refresh policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name views with their schema and with quotes where SQL needs them, like public."SalesByDay".';
  end if;

  select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ') into unknown
  from unnest(only_views) o
  cross join lateral nightshift.find_refresh_policy(o) p
  where not p.enabled;
  if unknown is not null then
    raise exception using
      errcode = 'NS422',
      message = format('Switched off: %s', unknown),
      detail = 'Nothing was refreshed.',
      hint = 'select nightshift.alter_refresh_policy(''...'', enabled => true); switches a policy on.';
  end if;

  select jsonb_object_agg(p.view::oid, nightshift.assess_view(p, counted_until => counted))
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

revoke all on function
  nightshift.check_lease, nightshift.assess_view, nightshift.sources_as_of,
  nightshift.describe_view, nightshift.list_refresh_policies, nightshift.describe_refresh, nightshift.find_refresh,
  nightshift.trim_view_refreshes, nightshift.note_unchanged, nightshift.plan_view_refresh
from public, anon, authenticated;
grant execute on function nightshift.list_refresh_policies, nightshift.plan_view_refresh to service_role;
