-- The refresh: which views need it now, and one view at a time, each in a transaction of its own.
-- Why: a refresh holds its locks until its transaction ends, and a view that fails must not undo the others.
-- Locks: none on any existing object; at run time those of REFRESH MATERIALIZED VIEW; readers never wait behind one for more than half a second.

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

create function nightshift.require_unpaused()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if (select s.paused from nightshift.settings s) then
    raise exception using
      errcode = 'NS428',
      message = 'Nightshift is paused',
      hint = 'select nightshift.unpause(); lets jobs run again.';
  end if;
end;
$$;

comment on function nightshift.require_unpaused is 'Raises NS428 while Nightshift is paused.';

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
  return jsonb_build_object(
    'reason', case
      -- Ten calls in a second refresh once, and no view is being refreshed for more than half of the time.
      when as_of - policy.last_refreshed_at
        < greatest(interval '10 seconds', make_interval(secs => policy.last_refresh_ms / 1000.0)) then 'recent'
      when as_of - coalesce(policy.data_as_of, policy.created_at) >= policy.max_staleness then 'stale'
      else 'changed'
    end,
    'detail', change,
    'state', state
  );
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
  join nightshift.refresh_policies p on nightshift.view_of(p) = r.relation
  where r.kind = 'm';
end;

comment on function nightshift.sources_as_of is
  'How old the data is that a view would be made from now: data_as_of of the oldest view with a policy that it reads, -infinity when one has none yet, infinity when it reads no such view.';

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
        select coalesce(jsonb_agg(p.view::text order by p.view::text), '[]')
        from jsonb_object_keys(assessed #> '{state,sources}') s(oid)
        join nightshift.refresh_policies p on p.view = s.oid::oid
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
      'warnings', nightshift.refresh_warnings(target, policy.allow_blocking, assessed #>> '{state,untracked}')
    );
end;
$$;

comment on function nightshift.describe_view is
  'The policy, what assess_view and refresh_way say of its view, dataAsOf (its data is known to be that of this moment, or of a later one; null before the first refresh), stalenessSeconds (since then, or since the policy was declared), dependsOn (the views with a policy that it reads), usualMs (the longest of its last three refreshes), warnings.';

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
  '{views: every policy with the state of its view (see describe_view), whether only_views names it (selected), and what this run has refreshed already (refreshed); secondsSinceLastSchedule: from the start of the last scheduled run to that of this one, or null}. Notes how current the views without a change are. only_views: names as SQL writes them. Errors: NS404 for a name without a policy, NS409 lease lost.';

create function nightshift.refresh_policy_view(
  policy nightshift.refresh_policies,
  force boolean default false,
  run_id uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
  target regclass := nightshift.view_of(policy);
  way jsonb;
  assessed jsonb;
  sources text;
  sources_as_of timestamptz;
  begun_at timestamptz;
  record nightshift.view_refreshes;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    -- The counters are those of now, the rows those of the snapshot: a change between the two would never be seen.
    raise exception using
      errcode = 'NS422',
      message = format('A refresh needs the isolation level read committed, not %s', current_setting('transaction_isolation')),
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  if target is null then
    raise exception using
      errcode = 'NS404',
      message = format('The view %s is gone', policy.view_name),
      hint = format('Create it again under its name, or: select nightshift.remove_refresh_policy(%L);', policy.view_name);
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('nightshift.refresh_view:' || target::oid, 0)) then
    return jsonb_build_object('outcome', 'busy', 'detail', 'another session is refreshing it');
  end if;
  -- As it is now, and held: a finished refresh must not fail because the policy is locked at its end.
  select p.* into policy from nightshift.refresh_policies p where p.view = policy.view for no key update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', target),
      hint = 'It was removed meanwhile; the view stays as it is.';
  end if;
  record := nightshift.find_refresh(run_id, target);
  if record.id is not null then
    -- The answer was lost, and the call is repeated.
    return nightshift.describe_refresh(record);
  end if;
  sources_as_of := nightshift.sources_as_of(target);
  assessed := nightshift.assess_view(policy, force, clock_timestamp());
  if assessed ? 'knownAt' then
    perform nightshift.note_unchanged(jsonb_build_object(policy.view::oid, assessed));
  end if;
  if assessed ->> 'reason' in ('unchanged', 'recent') then
    return jsonb_build_object('outcome', assessed ->> 'reason', 'detail', assessed ->> 'detail');
  end if;
  way := nightshift.refresh_way(target, policy.allow_blocking);
  if way ? 'problem' then
    raise exception using errcode = 'NS422', message = format('%s: %s', target, way ->> 'problem'), hint = way ->> 'fix';
  end if;

  if way ->> 'mode' = 'plain' then
    -- Waiting for these with the view locked would make its readers wait as well.
    select string_agg('only ' || r.relation, ', ') into sources
    from nightshift.view_reads(target) r
    where r.kind in ('r', 'p') and has_table_privilege(r.relation, 'select');
    if sources is not null then
      execute format('lock table %s in access share mode', sources);
    end if;
  else
    -- No reader queues behind this lock, and an autovacuum of the view gives way only after a second.
    perform set_config('lock_timeout', '2s', true);
  end if;
  begun_at := clock_timestamp();
  begin
    execute format(
      'refresh materialized view %s %s', case way ->> 'mode' when 'concurrently' then 'concurrently' else '' end, target
    );
  exception
    when lock_not_available or serialization_failure or deadlock_detected or insufficient_resources
      or read_only_sql_transaction then
      raise;
    when cardinality_violation or unique_violation then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s returns rows that its unique index does not allow', target),
        hint = format('Make the index as fine as the rows are, or the query as coarse. To see the rows: refresh materialized view %s;', target);
    -- Any text of Postgres, or of a function of the application, may quote a row. Caught here, it reaches neither the
    -- caller nor the log of the server.
    when others then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s fails with SQLSTATE %s', target, sqlstate),
        hint = case
          when sqlstate in ('42P01', '42883', '42704', '3F000')
            then 'Since Postgres 17 every refresh runs with search_path = pg_catalog: qualify the names in the functions that the view calls, or alter function ... set search_path. '
          when sqlstate = '42501' then 'A refresh has the rights of the owner of the view: grant them what its query needs. '
          when sqlstate = '55000' then 'A materialized view that it reads may hold no data: refresh that first. '
          else ''
        end || format('To see why: refresh materialized view %s;', target);
  end;
  if nightshift.find_view(target::text) is distinct from target then
    raise exception using errcode = '40001', message = 'The view was renamed or replaced meanwhile';
  end if;

  record.duration_ms := round(extract(epoch from clock_timestamp() - begun_at) * 1000);
  if way ->> 'mode' = 'plain' then
    -- Its readers wait: nothing that takes time any more.
    record.row_count := pg_stat_get_xact_tuples_inserted(target);
    record.dead_rows := 0;
  else
    execute format('select count(*) from %s', target) into record.row_count;
    record.dead_rows := pg_stat_get_dead_tuples(target) + pg_stat_get_xact_tuples_deleted(target);
  end if;
  -- What reads this view must see at once, by its counters, whether it has changed.
  perform pg_stat_force_next_flush();

  insert into nightshift.view_refreshes (
    view, view_name, run_id, status, mode, reason, detail, started_at, duration_ms, row_count, size_bytes, dead_rows
  )
  values (
    target, target::text, refresh_policy_view.run_id, 'refreshed', way ->> 'mode', assessed ->> 'reason',
    assessed ->> 'detail', begun_at, record.duration_ms, record.row_count, pg_total_relation_size(target), record.dead_rows
  )
  returning * into record;
  update nightshift.refresh_policies p
  set
    view = target,
    view_name = target::text,
    state = (assessed -> 'state') || jsonb_build_object('own', nightshift.counted(target,
      pg_stat_get_xact_tuples_inserted(target) + pg_stat_get_xact_tuples_updated(target)
        + pg_stat_get_xact_tuples_deleted(target))),
    data_as_of = nullif(least(begun_at, sources_as_of), '-infinity'),
    last_refreshed_at = begun_at,
    last_refresh_ms = record.duration_ms
  where p.view = policy.view;
  return nightshift.describe_refresh(record) || jsonb_build_object('modeReason', way ->> 'modeReason');
end;
$$;

comment on function nightshift.refresh_policy_view is
  'Refreshes the view of a policy when it needs it (or force says so), and writes the refresh down in the same transaction. Waits for a lock at most half a second, or 2 s where no reader queues behind it, and not at all for a refresh by another session of Nightshift. A run refreshes a view at most once: repeated, its call returns the first answer. Returns {outcome: refreshed, detail, mode, modeReason, startedAt, durationMs, rows, sizeBytes, deadRows}, or {outcome: unchanged | recent | busy, detail}. Errors: NS404 the view is gone; NS422 it cannot be refreshed, or its query fails; 55P03 a lock was not to be had; 40001 repeat the call.';

create function nightshift.refresh_view(run_id uuid, fence bigint, view text, force boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(refresh_view.view);
begin
  perform nightshift.require_unpaused();
  if policy.view is null or not policy.enabled then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy that is switched on', refresh_view.view),
      hint = 'It was removed or switched off, or its view dropped or renamed, since the run began.';
  end if;
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run refreshes nothing', hint = 'Begin a run without dry_run.';
  end if;
  return nightshift.refresh_policy_view(policy, force, run.id);
end;
$$;

comment on function nightshift.refresh_view is
  'Refreshes one view for a run: see refresh_policy_view. Calls for different views may run side by side. statement_timeout 50 s over the API, which ends every call after 60 s. Errors: also NS409 lease lost, NS428 paused.';

create function nightshift.record_refresh_failure(
  run_id uuid,
  fence bigint,
  view text,
  reason text,
  detail text,
  duration_ms integer,
  error jsonb
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(record_refresh_failure.view);
begin
  insert into nightshift.view_refreshes (view, view_name, run_id, status, reason, detail, started_at, duration_ms, error)
  select coalesce(nightshift.view_of(policy), policy.view), policy.view_name, run.id, 'failed',
    record_refresh_failure.reason, record_refresh_failure.detail,
    clock_timestamp() - make_interval(secs => record_refresh_failure.duration_ms / 1000.0),
    record_refresh_failure.duration_ms, record_refresh_failure.error
  where policy.view is not null;
end;
$$;

comment on function nightshift.record_refresh_failure is
  'Writes down that a refresh failed: its transaction, undone, could not. error: {code, message}. Errors: NS409 lease lost.';

revoke all on function
  nightshift.check_lease, nightshift.require_unpaused, nightshift.assess_view, nightshift.sources_as_of,
  nightshift.describe_view,
  nightshift.list_refresh_policies, nightshift.describe_refresh, nightshift.find_refresh,
  nightshift.trim_view_refreshes, nightshift.note_unchanged, nightshift.plan_view_refresh,
  nightshift.refresh_policy_view, nightshift.refresh_view, nightshift.record_refresh_failure
from public, anon, authenticated;
grant execute on function
  nightshift.list_refresh_policies, nightshift.plan_view_refresh, nightshift.refresh_view,
  nightshift.record_refresh_failure
to service_role;
