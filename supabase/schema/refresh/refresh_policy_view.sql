create or replace function nightshift.refresh_policy_view(
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
  known nightshift.refresh_policies;
  target regclass;
  way jsonb;
  assessed jsonb;
  statement text;
  vacuumed text;
  sources text;
  sources_as_of timestamptz;
  begun_at timestamptz;
  record nightshift.view_refreshes;
  context text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    -- The counters are those of now, the rows those of the snapshot: a change between the two would never be seen.
    raise exception using
      errcode = 'NS422',
      message = format('A refresh needs the isolation level read committed, not %s', current_setting('transaction_isolation')),
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  loop
    target := nightshift.view_of(policy);
    if target is null then
      -- Whoever has just refreshed a view that was made anew has given the policy its new oid.
      known := policy;
      policy := nightshift.find_refresh_policy(known.view_name);
      continue when policy.view <> known.view;
      policy := known;
      raise exception using
        errcode = 'NS404',
        message = format('The view %s is gone', policy.view_name),
        hint = format('Create it again under its name, or: select nightshift.remove_refresh_policy(%L);', policy.view_name);
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended('nightshift.refresh_view:' || target::oid, 0)) then
      return jsonb_build_object('outcome', 'busy', 'detail', 'another session is refreshing it');
    end if;
    -- As it is now, and held: a finished refresh must not fail because the policy is locked at its end.
    select p.* into policy from nightshift.refresh_policies p
    where p.view in (policy.view, target)
    order by p.view = target desc
    limit 1
    for no key update;
    if not found then
      raise exception using
        errcode = 'NS404',
        message = format('%s has no refresh policy', target),
        hint = 'It was removed meanwhile; the view stays as it is.';
    end if;
    -- Otherwise the view itself was made anew meanwhile.
    exit when nightshift.view_of(policy) = target;
  end loop;
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
  if assessed ->> 'reason' = 'recent' and exists (
    select 1 from nightshift.view_reads(target) r
    where r.kind = 'm' and (nightshift.find_refresh(run_id, r.relation)).id is not null
  ) then
    -- What it reads was refreshed by this very run.
    assessed := assessed || jsonb_build_object('reason', 'changed');
  end if;
  if assessed ->> 'reason' in ('unchanged', 'recent') then
    return jsonb_build_object('outcome', assessed ->> 'reason', 'detail', assessed ->> 'detail');
  end if;
  way := nightshift.refresh_way(target, policy.allow_blocking);
  if way ? 'problem' then
    raise exception using errcode = 'NS422', message = format('%s: %s', target, way ->> 'problem'), hint = way ->> 'fix';
  end if;

  if way ->> 'mode' = 'concurrently' and assessed ->> 'reason' = 'changed' then
    -- It would give way to each refresh, and the view would grow for ever.
    vacuumed := nightshift.autovacuum_of(target);
    if vacuumed is not null then
      return jsonb_build_object('outcome', 'vacuum', 'detail', vacuumed);
    end if;
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
  statement := format(
    'refresh materialized view %s%s', case way ->> 'mode' when 'concurrently' then 'concurrently ' else '' end, target
  );
  begun_at := clock_timestamp();
  begin
    -- From 17 on Postgres sets a path of its own; before, functions in the query find their names as in a refresh by hand.
    if current_setting('server_version_num')::integer < 170000 then
      perform set_config('search_path', (select s.trigger_search_path || ', pg_temp' from nightshift.settings s), true);
    end if;
    execute statement;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  exception
    when lock_not_available then
      raise;
    when cardinality_violation or unique_violation then
      raise exception using
        errcode = 'NS422',
        message = format('The query of %s returns rows that its unique index does not allow', target),
        hint = format('Make the index as fine as the rows are, or the query as coarse. To see the rows: %s;', statement);
    -- Whatever a query can fail with, by class: its text, of Postgres or of a function of the application, may quote a
    -- row. Caught here, it reaches neither the caller nor the log of the server.
    when data_exception or integrity_constraint_violation or cardinality_violation
      or syntax_error_or_access_rule_violation or invalid_schema_name or object_not_in_prerequisite_state
      or feature_not_supported or program_limit_exceeded or connection_exception or fdw_error or plpgsql_error
      or external_routine_exception or external_routine_invocation_exception or system_error or internal_error
      or serialization_failure
      or sqlstate 'NS000'
    then
      get stacked diagnostics context = pg_exception_context;
      raise exception using
        errcode = 'NS422',
        message = nightshift.describe_failure(format('The query of %s fails', target), sqlstate, context),
        hint = case
          when sqlstate in ('42P01', '42883', '42704', '3F000')
            then case when current_setting('server_version_num')::integer >= 170000
              then 'Since Postgres 17 every refresh runs with search_path = pg_catalog'
              else 'A refresh runs with the search path of nightshift.settings.trigger_search_path' end
              || ': qualify the names in the functions that the view calls, or alter function ... set search_path. '
          when sqlstate = '42501' then 'A refresh has the rights of the owner of the view: grant them what its query needs. '
          when sqlstate = '55000' then 'A materialized view that it reads may hold no data: refresh that first. '
          else ''
        end || format('To see why: %s;', statement);
  end;
  if nightshift.find_view(target::text) is distinct from target then
    raise exception using
      errcode = 'NS425',
      message = format('The view %s was renamed or replaced meanwhile', policy.view_name),
      hint = 'Repeat the call.';
  end if;

  record.duration_ms := round(extract(epoch from clock_timestamp() - begun_at) * 1000);
  if way ->> 'mode' = 'plain' then
    -- Its readers wait: nothing that takes time any more.
    record.row_count := pg_stat_get_xact_tuples_inserted(target);
    record.dead_rows := 0;
  else
    -- A refresh has the rights of the owner of the view, but to count its rows would take ours.
    if (select s.message is null from nightshift.find_stranger(target) s) then
      execute format('select count(*) from %s', nightshift.trusted_name(target)) into record.row_count;
    else
      record.row_count := greatest(pg_stat_get_live_tuples(target)
        + pg_stat_get_xact_tuples_inserted(target) - pg_stat_get_xact_tuples_deleted(target), 0);
    end if;
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
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object(
    'steps', coalesce(r.progress -> 'steps', '{}') || jsonb_build_object(target::text, jsonb_build_object('refreshedMs', record.duration_ms))
  )
  where r.id = refresh_policy_view.run_id;
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
  'Refreshes the view of a policy when it needs it (or force says so), and writes the refresh down in the same transaction. Waits for a lock at most half a second, or 2 s where no reader queues behind it, and not at all for a refresh by another session of Nightshift. A run refreshes a view at most once: repeated, its call returns the first answer. Returns {outcome: refreshed, detail, mode, modeReason, startedAt, durationMs, rows, sizeBytes, deadRows}, or {outcome: unchanged | recent | busy | vacuum, detail}; vacuum: it is left to an autovacuum for now, see autovacuum_of, as long as its data is within max_staleness. Errors: NS404 the view is gone; NS422 it cannot be refreshed, or its query fails; 55P03 a lock was not to be had; NS425 repeat the call.';
