-- Health checks: what each looks at, from where on that is worth a word, and who thinks otherwise.
-- Why: a check is one function and one row, declared together in a file of its own; how a value becomes a level is decided here, once.
-- Locks: none on any existing object.

create table nightshift.health_checks (
  name text primary key check (name ~ '^[a-z][a-z_]*$'),
  title text not null,
  healthy text not null,
  why text not null,
  unit text not null check (unit in ('percent', 'bytes', 'seconds', 'milliseconds', 'days', 'times', 'count')),
  worse text not null default 'higher' check (worse in ('higher', 'lower')),
  info numeric,
  warning numeric,
  critical numeric,
  quick boolean not null default false
);

comment on table nightshift.health_checks is
  'One row a check; its function is nightshift.health_<name>(as_of), which returns a nightshift.health_measure for each subject.';
comment on column nightshift.health_checks.healthy is 'What to say when nothing is wrong.';
comment on column nightshift.health_checks.why is 'Why it matters, in words.';
comment on column nightshift.health_checks.unit is 'Of values and thresholds.';
comment on column nightshift.health_checks.worse is 'Whether higher or lower values are worse; a value at a threshold has reached it.';
comment on column nightshift.health_checks.info is 'From here on worth knowing; null: never. Likewise warning and critical.';
comment on column nightshift.health_checks.quick is
  'Whether it is cheap and its answer changes within minutes: those run every few minutes and in GET /health.';

create table nightshift.health_thresholds (
  id bigint generated always as identity primary key,
  check_name text not null references nightshift.health_checks on delete cascade,
  subject text,
  info numeric,
  warning numeric,
  critical numeric,
  unique nulls not distinct (check_name, subject)
);

comment on table nightshift.health_thresholds is
  'Thresholds instead of those of a check, for one subject or (null) for all of them. All three null: never a finding.';

create type nightshift.health_measure as (
  subject text,
  value numeric,
  -- In words, what the value does not say; never the contents of rows.
  detail text,
  -- SQL that mends it, or a first step towards that.
  fix text,
  -- Of this subject, where it has a budget of its own; all null: those of the check.
  info numeric,
  warning numeric,
  critical numeric,
  -- Why it could not be measured; the subject is unknown then.
  problem text
);

create table nightshift.database_sizes (
  measured_on date primary key,
  bytes bigint not null
);

comment on table nightshift.database_sizes is 'The size of the database on each day of the last 60, to say how it grows.';

alter table nightshift.health_checks enable row level security;
alter table nightshift.health_thresholds enable row level security;
alter table nightshift.database_sizes enable row level security;
revoke all on nightshift.health_checks, nightshift.health_thresholds, nightshift.database_sizes
from public, anon, authenticated, service_role;

create function nightshift.health_level(value numeric, worse text, info numeric, warning numeric, critical numeric)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select case
    when case worse when 'lower' then value <= critical else value >= critical end then 'critical'
    when case worse when 'lower' then value <= warning else value >= warning end then 'warning'
    when case worse when 'lower' then value <= info else value >= info end then 'info'
    else 'ok'
  end;
end;

comment on function nightshift.health_level is 'The worst level whose threshold the value has reached; a null threshold is never reached.';

create function nightshift.level_rank(level text)
returns integer
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select array_position(array['ok', 'info', 'unknown', 'warning', 'critical'], level);
end;

comment on function nightshift.level_rank is 'The order of levels: ok, info, unknown, warning, critical; higher is worse.';

create function nightshift.run_health_check(health_check nightshift.health_checks, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  started timestamptz := clock_timestamp();
  found_out jsonb;
  failure text;
  remedy text;
begin
  execute format(
    $query$
    with judged as (
      select m.subject, m.value, m.detail, m.fix, m.problem, t.*,
        case when m.problem is not null then 'unknown'
          else nightshift.health_level(m.value, $2, t.info, t.warning, t.critical) end as level
      from nightshift.%I($1) m
      left join nightshift.health_thresholds s on s.check_name = $3 and s.subject = m.subject
      left join nightshift.health_thresholds w on w.check_name = $3 and w.subject is null
      cross join lateral (
        select
          case when s.check_name is not null then s.info when w.check_name is not null then w.info
            when own.set then m.info else $4 end as info,
          case when s.check_name is not null then s.warning when w.check_name is not null then w.warning
            when own.set then m.warning else $5 end as warning,
          case when s.check_name is not null then s.critical when w.check_name is not null then w.critical
            when own.set then m.critical else $6 end as critical
        from (select coalesce(m.info, m.warning, m.critical) is not null as set) own
      ) t
    ),
    ranked as (
      select j.*, nightshift.level_rank(j.level) as rank,
        row_number() over (order by nightshift.level_rank(j.level) desc,
          case $2 when 'lower' then -j.value else j.value end desc nulls last, j.subject) as place
      from judged j
    )
    select jsonb_build_object(
      'measured', count(*),
      'level', coalesce((select r.level from ranked r where r.place = 1), 'ok'),
      'value', (select r.value from ranked r where r.place = 1),
      'subject', (select r.subject from ranked r where r.place = 1),
      'findingsTotal', count(*) filter (where level <> 'ok'),
      'findings', coalesce(jsonb_agg(jsonb_build_object(
        'subject', subject, 'level', level, 'value', value, 'detail', coalesce(problem, detail), 'fix', fix,
        'info', info, 'warning', warning, 'critical', critical
      ) order by place) filter (where level <> 'ok' and place <= 20), '[]')
    )
    from ranked
    $query$,
    'health_' || health_check.name
  )
  into found_out
  using as_of, health_check.worse, health_check.name, health_check.info, health_check.warning, health_check.critical;

  return nightshift.describe_health_check(health_check) || found_out
    || jsonb_build_object('durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 1));
exception
  -- Whatever keeps one check from its answer must not keep the others from theirs; it is reported as unknown.
  when query_canceled or others then
    get stacked diagnostics failure = message_text, remedy = pg_exception_hint;
    raise log 'nightshift: health check % could not run: % (%)', health_check.name, failure, sqlstate;
    return nightshift.describe_health_check(health_check) || jsonb_build_object(
      'measured', 0, 'level', 'unknown', 'value', null, 'subject', null, 'findingsTotal', 1,
      'findings', jsonb_build_array(jsonb_build_object(
        'subject', null, 'level', 'unknown', 'value', null,
        'detail', case
          when sqlstate = '57014' then 'It was stopped: it took too long, or someone cancelled it.'
          when sqlstate = '55P03' then 'Another session holds a lock on what it reads.'
          when sqlstate = '42501' then format('%I may not read what it needs.', current_user)
          when sqlstate like 'NS%' then failure
          else format('It failed with %s; the Postgres log has the message.', sqlstate)
        end,
        'fix', case
          when sqlstate = '42501' then format('grant pg_monitor to %I;', current_user)
          when sqlstate like 'NS%' then nullif(remedy, '')
        end,
        'info', null, 'warning', null, 'critical', null
      )),
      'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 1),
      'stopped', sqlstate = '57014'
    );
end;
$$;

comment on function nightshift.run_health_check is
  'The JSON document of one check: what it is (describe_health_check), measured (how many subjects), level, value and subject (of the worst), findings (at most 20, worst first: subject, level, value, detail, fix, thresholds), findingsTotal, durationMs. A check that cannot run has the level unknown and says why; stopped says that time ran out.';

create function nightshift.describe_health_check(health_check nightshift.health_checks)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'name', health_check.name,
    'title', health_check.title,
    'healthy', health_check.healthy,
    'why', health_check.why,
    'unit', health_check.unit,
    'worse', health_check.worse,
    'quick', health_check.quick,
    'info', case when t.id is null then health_check.info else t.info end,
    'warning', case when t.id is null then health_check.warning else t.warning end,
    'critical', case when t.id is null then health_check.critical else t.critical end,
    'off', t.id is not null and coalesce(t.info, t.warning, t.critical) is null
  )
  from (values (1)) one
  left join nightshift.health_thresholds t on t.check_name = health_check.name and t.subject is null;
end;

comment on function nightshift.describe_health_check is
  'What a check is: name, title, why it matters, unit, thresholds for all its subjects; off: someone has taken all of them away, so that nothing is ever a finding.';

create function nightshift.require_statistics()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not current_setting('track_activities')::boolean then
    raise exception using
      errcode = 'NS424',
      message = 'The server does not track what its sessions do',
      hint = 'alter system set track_activities = on; select pg_reload_conf();';
  end if;
  if not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then
    raise exception using
      errcode = 'NS424',
      message = format('%I sees only its own sessions and statements', current_user),
      hint = format('grant pg_monitor to %I;', current_user);
  end if;
end;
$$;

comment on function nightshift.require_statistics is
  'Raises NS424 where Postgres would show only a part of the sessions and statements, which looks healthier than it is.';

create function nightshift.assess_health(only_checks text[], quick boolean, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  health_check nightshift.health_checks;
  document jsonb;
  documents jsonb := '[]';
  not_run text[] := '{}';
  unknown_names text;
  stopped boolean := false;
begin
  select string_agg(o, ', ') into unknown_names
  from unnest(only_checks) o
  where not exists (select 1 from nightshift.health_checks c where c.name = o);
  if unknown_names is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', unknown_names),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;

  for health_check in
    select c.* from nightshift.health_checks c
    where (only_checks is null or c.name = any(only_checks)) and (c.quick or not coalesce(assess_health.quick, false))
    order by c.quick desc, c.name
  loop
    -- The clock of the statement timeout has run out, and starts anew only with the next call.
    if stopped then
      not_run := not_run || health_check.name;
      continue;
    end if;
    document := nightshift.run_health_check(health_check, as_of);
    stopped := coalesce((document ->> 'stopped')::boolean, false);
    documents := documents || jsonb_build_array(document - 'stopped');
  end loop;

  return jsonb_build_object(
    'at', as_of,
    'serverVersion', current_setting('server_version'),
    'checks', documents,
    'notRun', to_jsonb(not_run)
  );
end;
$$;

comment on function nightshift.assess_health is
  'Runs the checks, those named or all, or only the quick ones: {at, serverVersion, checks: [see run_health_check], notRun: names for which no time was left after one that took too long: ask for these again}. Errors: NS404 for a name that is no check.';

create function nightshift.get_health(only_checks text[] default null, quick boolean default false, as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
begin atomic
  select nightshift.assess_health(get_health.only_checks, get_health.quick, get_health.as_of);
end;

comment on function nightshift.get_health is
  'The health of the database and of the night shift, see assess_health; it changes nothing. only_checks: names; null for all. quick: only what changes within minutes. statement_timeout 8 s for all together. Errors: NS404.';

create function nightshift.last_health_levels(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  with last as (
    select r.report
    from nightshift.runs r
    where r.job = 'health-check' and r.status in ('succeeded', 'partial') and not r.dry_run
      and not (r.report ->> 'quick')::boolean and r.input -> 'only' is null
      and r.finished_at <= last_health_levels.as_of
    order by r.started_at desc
    limit 1
  )
  select coalesce(jsonb_object_agg(f.name, f.level), '{}')
  from (
    select c ->> 'name', c ->> 'level'
    from last l, jsonb_array_elements(l.report -> 'checks') c
    where not (c ->> 'quick')::boolean
    union all
    select n, 'unknown'
    from last l, jsonb_array_elements_text(l.report -> 'notRun') n
    where n in (select h.name from nightshift.health_checks h where not h.quick)
  ) f(name, level);
end;

comment on function nightshift.last_health_levels is
  'What the last full run found in the checks that are not quick: {name: level}, without those that were ok; those that it had no time for are unknown. A quick run counts them as they were, so that a finding of the night is not forgotten five minutes later.';

create function nightshift.check_health(run_id uuid, fence bigint, only_checks text[] default null, quick boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  today date := (now() at time zone 'UTC')::date;
  size bigint := pg_database_size(current_database());
  document jsonb;
  jobs jsonb;
begin
  if not run.dry_run and not exists (select 1 from nightshift.database_sizes s where s.measured_on = today) then
    insert into nightshift.database_sizes (measured_on, bytes)
    values (today, size)
    on conflict do nothing;
    delete from nightshift.database_sizes s where s.measured_on < today - 60;
  end if;
  document := nightshift.assess_health(only_checks, quick, run.started_at);
  begin
    jobs := nightshift.describe_jobs(run.started_at);
  exception
    -- The checks of the jobs say the same, each for itself.
    when lock_not_available or insufficient_privilege or query_canceled then
      jobs := null;
  end;
  return document || jsonb_build_object(
    'jobs', jobs, 'lastLevels', nightshift.last_health_levels(run.started_at), 'databaseBytes', size
  );
end;
$$;

comment on function nightshift.check_health is
  'What get_health returns, for a run, with jobs (see describe_jobs; null when the ledger is locked), lastLevels (see last_health_levels) and databaseBytes. It notes the size of the database once a day. Errors: NS404, NS409 lease lost.';

revoke all on function
  nightshift.health_level, nightshift.level_rank, nightshift.run_health_check, nightshift.describe_health_check,
  nightshift.require_statistics, nightshift.assess_health, nightshift.last_health_levels, nightshift.get_health, nightshift.check_health
from public, anon, authenticated;
grant execute on function nightshift.get_health, nightshift.check_health to service_role;
