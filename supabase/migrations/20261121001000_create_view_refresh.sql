-- The refresh: which views need it now, and one view at a time, each in a transaction of its own.
-- Why: a refresh holds its locks until its transaction ends, and a view that fails must not undo the others.
-- Locks: none on any existing object; at run time those of REFRESH MATERIALIZED VIEW, waited for at most half a second.

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
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  view regclass := nightshift.view_of(policy);
  change text;
  known_at timestamptz;
  recently interval;
begin
  if view is null then
    return jsonb_build_object('reason', 'gone', 'detail', 'neither it nor another view of its name is there');
  end if;
  if force then
    return jsonb_build_object('reason', 'forced', 'detail', 'asked for by hand');
  end if;
  if not (select c.relispopulated from pg_catalog.pg_class c where c.oid = view) then
    return jsonb_build_object('reason', 'never', 'detail', 'it holds no data');
  end if;
  if policy.state is null or policy.view <> view then
    return jsonb_build_object('reason', 'never', 'detail', case
      when policy.state is null then 'Nightshift has not refreshed it yet' else 'it was created anew' end);
  end if;

  select 'no counter can tell: ' || u into change from nightshift.why_untracked(view) u where u is not null;
  change := coalesce(change, nightshift.what_changed(policy.state, nightshift.view_state(view)));
  if change is null then
    known_at := greatest(policy.data_as_of, nightshift.counted_until(as_of));
    if as_of - known_at < policy.max_staleness then
      return jsonb_build_object('reason', 'unchanged', 'detail', 'nothing it reads has changed', 'knownAt', known_at);
    end if;
    return jsonb_build_object(
      'reason', 'stale', 'detail', 'a transaction that is still open keeps the counters from saying whether it changed'
    );
  end if;

  -- Ten calls in a second refresh once, and no view is being refreshed for more than half of the time.
  recently := greatest(interval '10 seconds', make_interval(secs => policy.last_refresh_ms / 1000.0));
  return jsonb_build_object(
    'reason', case
      when as_of - policy.last_refreshed_at < recently then 'recent'
      when as_of - policy.data_as_of >= policy.max_staleness then 'stale'
      else 'changed'
    end,
    'detail', change
  );
end;
$$;

comment on function nightshift.assess_view is
  'Whether a view needs a refresh: {reason, detail in words}. never: no refresh of it is on record, or it holds no data; stale: it changed, or may have, and is older than max_staleness; changed; forced; and, where it needs none: unchanged (knownAt: it holds what its query would have returned then); recent: changed, but refreshed less than 10 seconds or its last duration ago; gone.';

create function nightshift.describe_view(policy nightshift.refresh_policies, assessed jsonb, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  target regclass := nightshift.view_of(policy);
  entry jsonb := nightshift.describe_refresh_policy(policy) || assessed;
  sources regclass[];
  known_at timestamptz;
begin
  if target is null then
    return entry || jsonb_build_object('dependsOn', '[]'::jsonb, 'warnings', '[]'::jsonb);
  end if;
  -- Its data is as old as that of the oldest view it is made from.
  with recursive above(view) as (
    select target
    union
    select r.relation
    from above
    cross join lateral nightshift.view_reads(above.view) r
    where r.kind = 'm' and r.relation <> above.view
  )
  select
    case when bool_and(p.state is not null and p.view = above.view) then min(
      case when above.view = target then greatest(p.data_as_of, (assessed ->> 'knownAt')::timestamptz) else p.data_as_of end
    ) end,
    array_agg(above.view) filter (where above.view <> target)
  into known_at, sources
  from above
  join nightshift.refresh_policies p on nightshift.view_of(p) = above.view;

  return entry
    || nightshift.refresh_way(target, policy.allow_blocking)
    || jsonb_build_object(
      'dataAsOf', known_at,
      'stalenessSeconds', extract(epoch from as_of - coalesce(known_at, policy.created_at))::bigint,
      'maxStalenessSeconds', extract(epoch from policy.max_staleness)::bigint,
      'dependsOn', (
        select coalesce(jsonb_agg(r.relation::text order by r.relation::text), '[]')
        from nightshift.view_reads(target) r
        where r.kind = 'm' and r.relation = any(sources)
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
      'warnings', nightshift.refresh_warnings(target, policy.allow_blocking)
    );
end;
$$;

comment on function nightshift.describe_view is
  'The policy, what assess_view and refresh_way say of its view, dataAsOf (of the oldest view it is made from; null when one was never refreshed), stalenessSeconds (since then, or since the policy was declared), dependsOn (the views with a policy that it reads), usualMs (the longest of its last three refreshes), warnings.';

create function nightshift.list_refresh_policies(as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
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
    'detail', refresh.reason,
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

create function nightshift.note_unchanged(policy nightshift.refresh_policies, known_at timestamptz)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  update nightshift.refresh_policies p
  set data_as_of = greatest(p.data_as_of, known_at), view_name = p.view::text
  -- Refreshed meanwhile, it is another question.
  where p.view = policy.view and p.last_refreshed_at = policy.last_refreshed_at;
end;

comment on function nightshift.note_unchanged is
  'Notes that a view holds what its query would have returned at a moment.';

create function nightshift.plan_view_refresh(run_id uuid, fence bigint, only_views text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  policy nightshift.refresh_policies;
  assessed jsonb := '{}';
  entry jsonb;
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
        (select string_agg(p.view_name, ', ' order by p.view_name) from nightshift.refresh_policies p), 'no view')),
      hint = 'Name views with their schema and with quotes where SQL needs them, like public."SalesByDay".';
  end if;
  perform nightshift.trim_view_refreshes();

  for policy in select p.* from nightshift.refresh_policies p loop
    entry := nightshift.assess_view(policy);
    assessed := assessed || jsonb_build_object(policy.view::oid, entry);
    if policy.enabled and entry ? 'knownAt' and not run.dry_run then
      perform nightshift.note_unchanged(policy, (entry ->> 'knownAt')::timestamptz);
    end if;
  end loop;

  return (
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
  );
end;
$$;

comment on function nightshift.plan_view_refresh is
  'Every policy with the state of its view (see describe_view), whether only_views names it (selected), and what this run has refreshed already (refreshed). Notes that views without a change are as current as they are. only_views: names as SQL writes them. Errors: NS404 for a name without a policy, NS409 lease lost.';

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
  state_before jsonb;
  sources text;
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
  -- As it is now, under the lock: whoever held it may just have refreshed the view.
  select p.* into policy from nightshift.refresh_policies p where p.view = policy.view;
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
  assessed := nightshift.assess_view(policy, force, clock_timestamp());
  if assessed ? 'knownAt' then
    perform nightshift.note_unchanged(policy, (assessed ->> 'knownAt')::timestamptz);
  end if;
  if assessed ->> 'reason' in ('unchanged', 'recent') then
    return jsonb_build_object('outcome', assessed ->> 'reason', 'detail', assessed ->> 'detail');
  end if;
  way := nightshift.refresh_way(target, policy.allow_blocking);
  if way ? 'problem' then
    raise exception using errcode = 'NS422', message = format('%s: %s', target, way ->> 'problem'), hint = way ->> 'fix';
  end if;

  state_before := nightshift.view_state(target);
  if way ->> 'mode' = 'plain' then
    -- Waiting for these with the view locked would make its readers wait as well.
    select string_agg('only ' || r.relation, ', ') into sources
    from nightshift.view_reads(target) r
    where r.kind = 'r' and has_table_privilege(r.relation, 'select');
    if sources is not null then
      execute format('lock table %s in access share mode', sources);
    end if;
  end if;
  begun_at := clock_timestamp();
  begin
    execute format(
      'refresh materialized view %s %s', case way ->> 'mode' when 'concurrently' then 'concurrently' else '' end, target
    );
  exception
    -- Caught here, the row that Postgres quotes in the detail reaches neither the caller nor the log of the server.
    when cardinality_violation or unique_violation then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s returns rows that its unique index does not allow', target),
        hint = format('Make the index as fine as the rows are, or the query as coarse. To see the rows: refresh materialized view %s;', target);
    when data_exception or integrity_constraint_violation then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s fails on the rows that there are now, with SQLSTATE %s', target, sqlstate),
        hint = format('To see which: refresh materialized view %s;', target);
    when undefined_table or undefined_function or undefined_object or invalid_schema_name then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s fails: %s', target, sqlerrm),
        hint = 'Since Postgres 17 every refresh runs with search_path = pg_catalog: qualify the names in the functions that the view calls, or alter function ... set search_path.';
    when insufficient_privilege then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s fails: %s', target, sqlerrm),
        hint = 'A refresh has the rights of the owner of the view: grant them what its query needs.';
  end;
  if nightshift.find_view(target::text) is distinct from target then
    raise exception using errcode = '40001', message = 'The view was renamed or replaced meanwhile';
  end if;

  record.duration_ms := round(extract(epoch from clock_timestamp() - begun_at) * 1000);
  execute format('select count(*) from %s', target) into record.row_count;
  record.size_bytes := pg_total_relation_size(target);
  record.dead_rows := case way ->> 'mode'
    when 'plain' then 0 else pg_stat_get_dead_tuples(target) + pg_stat_get_xact_tuples_deleted(target) end;
  -- What reads this view must see at once, by its counters, whether it has changed.
  perform pg_stat_force_next_flush();

  insert into nightshift.view_refreshes (
    view, view_name, run_id, status, mode, reason, started_at, duration_ms, row_count, size_bytes, dead_rows
  )
  values (
    target, target::text, refresh_policy_view.run_id, 'refreshed', way ->> 'mode',
    concat_ws(': ', assessed ->> 'reason', assessed ->> 'detail'),
    begun_at, record.duration_ms, record.row_count, record.size_bytes, record.dead_rows
  )
  returning * into record;
  update nightshift.refresh_policies p
  set
    view = target,
    view_name = target::text,
    state = state_before,
    data_as_of = begun_at,
    last_refreshed_at = begun_at,
    last_refresh_ms = record.duration_ms
  where p.view = policy.view;
  return nightshift.describe_refresh(record) || jsonb_build_object('modeReason', way ->> 'modeReason');
end;
$$;

comment on function nightshift.refresh_policy_view is
  'Refreshes the view of a policy when it needs it (or force says so), and writes the refresh down in the same transaction. Never waits longer than half a second for a lock, and does not wait for a refresh by another session of Nightshift. A run refreshes a view at most once: repeated, its call returns the first answer. Returns {outcome: refreshed, detail, mode, modeReason, startedAt, durationMs, rows, sizeBytes, deadRows}, or {outcome: unchanged | recent | busy, detail}. Errors: NS404 the view is gone; NS422 it cannot be refreshed, or its query fails; 55P03 a lock was not to be had; 40001 repeat the call.';

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
  insert into nightshift.view_refreshes (view, view_name, run_id, status, reason, started_at, duration_ms, error)
  select coalesce(nightshift.view_of(policy), policy.view), policy.view_name, run.id, 'failed',
    record_refresh_failure.reason, clock_timestamp() - make_interval(secs => record_refresh_failure.duration_ms / 1000.0),
    record_refresh_failure.duration_ms, record_refresh_failure.error
  where policy.view is not null;
end;
$$;

comment on function nightshift.record_refresh_failure is
  'Writes down that a refresh failed: its transaction, undone, could not. error: {code, message}. Errors: NS409 lease lost.';

revoke all on function
  nightshift.check_lease, nightshift.require_unpaused, nightshift.assess_view, nightshift.describe_view,
  nightshift.list_refresh_policies, nightshift.describe_refresh, nightshift.find_refresh,
  nightshift.trim_view_refreshes, nightshift.note_unchanged, nightshift.plan_view_refresh,
  nightshift.refresh_policy_view, nightshift.refresh_view, nightshift.record_refresh_failure
from public, anon, authenticated;
grant execute on function
  nightshift.list_refresh_policies, nightshift.plan_view_refresh, nightshift.refresh_view,
  nightshift.record_refresh_failure
to service_role;
