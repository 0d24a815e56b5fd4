-- Nightshift 0.1.0
-- Generated from supabase/changes and supabase/schema by `npm run gen:migration`. Do not edit.
-- It may be applied again: what is there already stays, and functions and rights are set anew.

-- In any other schema of the search path, anyone may have made a function or an operator that fits better.
select pg_catalog.set_config('nightshift.search_path', pg_catalog.current_setting('search_path'), false);
set search_path = pg_catalog, pg_temp;

do $$
declare
  owner name := (
    select pg_get_userbyid(n.nspowner) from pg_catalog.pg_namespace n
    where n.nspname = 'nightshift' and not pg_has_role(n.nspowner, 'member')
  );
  newer text;
begin
  if owner is not null then
    raise exception using
      errcode = 'NS422',
      message = format('The schema nightshift belongs to %I, whose rights %I does not have', owner, current_user),
      detail = 'Nothing was changed.',
      hint = format('Apply this as %I. If you have not made the schema, look at what is in it first.', owner);
  end if;
  if to_regclass('nightshift.migrations') is not null then
    execute $query$
      select m.version from nightshift.migrations m
      where string_to_array(m.version, '.')::integer[] > string_to_array($1, '.')::integer[]
      order by string_to_array(m.version, '.')::integer[] desc limit 1
    $query$ into newer using '0.1.0';
    if newer is not null then
      raise exception using
        errcode = 'NS409',
        message = format('Nightshift %s is installed here, which is newer than 0.1.0', newer),
        detail = 'Nothing was changed.',
        hint = 'Keep the newer release; if the Supabase CLI is to apply this one, mark it as applied: supabase migration repair --status applied <version>.';
    end if;
  end if;
end;
$$;

-- Functions call each other in any order, and are checked by the tests, when all of them are there.
set check_function_bodies = off;

-- supabase/schema/access/schema.sql

create schema if not exists nightshift;

comment on schema nightshift is
  'Scheduled maintenance: policies, the run ledger and the functions that jobs call. Access is through functions only.';

-- supabase/schema/access/runner.sql

-- The role nightshift_runner, which a token with its name may take over the Data API.
-- Why: the functions need to run jobs, and a secret key lets its holder do anything in the project.

do $$
begin
  -- Roles belong to the whole server: another database of it may have made this one, or be about to.
  if to_regrole('nightshift_runner') is null then
    begin
      create role nightshift_runner nologin noinherit nobypassrls;
    exception
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if exists (
    select from pg_catalog.pg_roles r
    where r.rolname = 'nightshift_runner'
      and (
        r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolreplication
        or exists (select from pg_catalog.pg_auth_members m where m.member = r.oid)
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = 'There is a role nightshift_runner already, and it may do more than run jobs',
      hint = 'alter role nightshift_runner nosuperuser nobypassrls nologin nocreaterole nocreatedb noreplication; and revoke every role from it; or rename it.';
  end if;
  if not pg_has_role('authenticator', 'nightshift_runner', 'member') then
    begin
      grant nightshift_runner to authenticator;
    exception
      when unique_violation then null;
      when insufficient_privilege then
        raise exception using
          errcode = 'NS422',
          message = format('%I may not let authenticator take the role nightshift_runner, which someone else has made', current_user),
          hint = 'As whoever made it, or a superuser: grant nightshift_runner to authenticator;';
    end;
  end if;
end;
$$;

-- supabase/changes/0.1.0.sql

-- From before the first release, when the schema was eighty-one files: all of them, or as many as were applied before one broke off.

do $$
declare
  recorded boolean := false;
  statement text;
begin
  if to_regclass('nightshift.migrations') is not null then
    execute 'select exists (select from nightshift.migrations)' into recorded;
  end if;
  if recorded or to_regnamespace('nightshift') is null then
    return;
  end if;
  -- Functions hold no data, and many have changed what they take or return; all are made anew. Together, since some depend on
  -- each other, and not with cascade: what else depends on them is someone else's.
  for statement in
    select format('drop trigger %I on %s', t.tgname, c.oid::regclass)
    from pg_catalog.pg_class c
    join pg_catalog.pg_trigger t on t.tgrelid = c.oid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where c.relnamespace = 'nightshift'::regnamespace and p.pronamespace = c.relnamespace and not t.tgisinternal
    union all
    select 'drop function ' || string_agg(p.oid::regprocedure::text, ', ')
    from pg_catalog.pg_proc p
    where p.pronamespace = 'nightshift'::regnamespace and 'search_path=pg_catalog, pg_temp' = any(p.proconfig)
    having count(*) > 0
  loop
    execute statement;
  end loop;
  drop type if exists nightshift.row_set, nightshift.partition_state, nightshift.job_state, nightshift.health_measure;
  -- A dry run takes no lease.
  drop index if exists nightshift.runs_one_running;
  -- What was called claim is the id of a request.
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass('nightshift.runs') and a.attname = 'claim' and not a.attisdropped
  ) then
    alter table nightshift.runs rename column claim to request_id;
    alter index if exists nightshift.runs_claim rename to runs_request_id;
  end if;
end;
$$;

-- What was restored is in nightshift.deletion_events.
drop table if exists nightshift.restores;

-- A run can be cancelled, and ends as interrupted.
alter table if exists nightshift.runs
add column if not exists cancel_requested_at timestamptz,
add column if not exists cancel_requested_by text;

do $$
begin
  if exists (
    select from pg_catalog.pg_constraint k
    where k.conrelid = to_regclass('nightshift.runs') and k.conname = 'runs_status_check'
      and pg_get_constraintdef(k.oid) not like '%interrupted%'
  ) then
    alter table nightshift.runs drop constraint runs_status_check, add constraint runs_status_check check (
      status in ('running', 'continued', 'interrupted', 'succeeded', 'partial', 'failed', 'skipped', 'lost')
    );
  end if;
end;
$$;

alter table if exists nightshift.settings
add column if not exists partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0);

alter table if exists nightshift.retention_policies
add column if not exists relation_name text,
add column if not exists first_purge text check (first_purge = 'all');

alter table if exists nightshift.database_sizes
add column if not exists newest_oid oid;

-- supabase/schema/health/tables.sql

-- Health checks, their thresholds, and what a check measures.

create table if not exists nightshift.health_checks (
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

create table if not exists nightshift.health_thresholds (
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

do $$
begin
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
exception
  when duplicate_object then null;
end;
$$;

create table if not exists nightshift.database_sizes (
  measured_on date primary key,
  bytes bigint not null,
  newest_oid oid
);

comment on table nightshift.database_sizes is 'The size of the database on each day of the last 60, to say how it grows.';
comment on column nightshift.database_sizes.newest_oid is
  'The highest number of a relation on that day: one with a higher number was made later.';

alter table nightshift.health_checks enable row level security;
alter table nightshift.health_thresholds enable row level security;
alter table nightshift.database_sizes enable row level security;

-- supabase/schema/ledger/tables.sql

-- What is installed, its settings, the run ledger and what it knows of jobs.

create table if not exists nightshift.migrations (
  version text primary key,
  checksum text not null,
  objects text[] not null,
  applied_at timestamptz not null default now()
);

comment on table nightshift.migrations is 'One row for each release that was applied, written by its migration. The highest version is what is installed.';
comment on column nightshift.migrations.checksum is 'SHA-256 of the text that was applied: the command line notices a file that changed afterwards.';
comment on column nightshift.migrations.objects is
  'Names of what the release has in the schema. Anything else in there is someone else''s, and nothing that uninstall may take along.';

alter table nightshift.migrations enable row level security;

create table if not exists nightshift.settings (
  singleton boolean primary key default true check (singleton),
  paused boolean not null default false,
  paused_reason text,
  paused_at timestamptz,
  ledger_retention interval not null default '90 days' check (ledger_retention >= '1 day'),
  trigger_search_path text not null default 'public, extensions',
  partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0)
);

comment on table nightshift.settings is 'Settings of the whole installation; always exactly one row.';

comment on column nightshift.settings.paused is 'While true no run begins, but for the health check, and no batch deletes.';
comment on column nightshift.settings.ledger_retention is
  'How long finished runs stay in nightshift.runs. Default 90 days; at least 1 day.';
comment on column nightshift.settings.trigger_search_path is
  'The search_path that triggers of the application find when a purge deletes a row and, before Postgres 17, functions in the query of a view that is refreshed. Default: public, extensions.';
comment on column nightshift.settings.partition_alert_bytes is
  'A partition larger than this, indexes included, is reported. Default 10 GB.';

alter table nightshift.settings enable row level security;

insert into nightshift.settings default values on conflict (singleton) do nothing;

create table if not exists nightshift.jobs (
  name text primary key,
  policies regclass,
  runs_while_paused boolean not null default false,
  runs_kept interval
);

comment on table nightshift.jobs is 'One row a job; the file job.sql of its folder writes it.';
comment on column nightshift.jobs.policies is
  'The table of its policies, which has the columns created_at and enabled; null for a job that has something to do without any.';
comment on column nightshift.jobs.runs_while_paused is 'Whether it only looks, so that a pause is no reason for it to stay away.';
comment on column nightshift.jobs.runs_kept is
  'How long its finished runs are kept, where settings.ledger_retention is longer; null: as long as that says.';

alter table nightshift.jobs enable row level security;

create sequence if not exists nightshift.fences;

create table if not exists nightshift.runs (
  id uuid primary key default gen_random_uuid(),
  job text not null check (job <> ''),
  trigger text not null check (trigger in ('schedule', 'http', 'alarm', 'event', 'cli')),
  requested_by text,
  idempotency_key text,
  request_id uuid not null,
  input jsonb not null default '{}',
  dry_run boolean not null default false,
  status text not null check (
    status in ('running', 'continued', 'interrupted', 'succeeded', 'partial', 'failed', 'skipped', 'lost')
  ),
  attempt integer not null default 1,
  fence bigint not null default nextval('nightshift.fences'),
  lease interval not null default '60 seconds',
  started_at timestamptz not null,
  heartbeat_at timestamptz,
  lease_expires_at timestamptz,
  finished_at timestamptz,
  progress jsonb not null default '{}',
  report jsonb,
  error jsonb,
  cancel_requested_at timestamptz,
  cancel_requested_by text
);

comment on table nightshift.runs is 'One row for each execution of a job, kept for settings.ledger_retention.';
comment on column nightshift.runs.request_id is
  'Chosen by the caller with each lease it asks for: the same request_id again is the same call, whose answer was lost.';
comment on column nightshift.runs.fence is
  'Grows with every lease granted. A write that carries an older fence is refused, so a thawed function cannot act.';
comment on column nightshift.runs.progress is
  'What is done so far, written in the same transaction as the work itself: it is true even of a run that died.';

comment on column nightshift.runs.cancel_requested_at is
  'When somebody asked the run to end; null: nobody. It ends as interrupted before its next batch.';

create unique index if not exists runs_idempotency_key on nightshift.runs (job, trigger, idempotency_key)
where idempotency_key is not null;
create unique index if not exists runs_request_id on nightshift.runs (request_id);
create unique index if not exists runs_one_running on nightshift.runs (job) where status = 'running' and not dry_run;
create index if not exists runs_started_at on nightshift.runs (started_at);
create index if not exists runs_finished_at on nightshift.runs (finished_at);
create index if not exists runs_job_started_at on nightshift.runs (job, started_at);
alter table nightshift.runs enable row level security;

do $$
begin
  create type nightshift.job_state as (
    job text,
    -- When the oldest policy of the job was declared; null when it has none.
    declared_at timestamptz,
    last_run uuid,
    last_success_at timestamptz,
    failed_in_row integer,
    partial_in_row integer,
    lost_in_row integer,
    usual_duration_ms numeric
  );
exception
  when duplicate_object then null;
end;
$$;

-- supabase/schema/partition/tables.sql

-- Partition policies, and the record of what was retired.

create table if not exists nightshift.partition_policies (
  parent regclass primary key,
  parent_name text not null,
  every interval not null,
  premake integer not null,
  retention interval,
  retire text not null check (retire in ('detach', 'drop')),
  grace interval not null,
  max_fraction numeric not null,
  partition_schema name,
  epoch text check (epoch in ('seconds', 'milliseconds')),
  enabled boolean not null default true,
  created_at timestamptz not null default now()
);

comment on table nightshift.partition_policies is
  'One row for each table, partitioned by range of time, whose partitions Nightshift makes and retires.';
comment on column nightshift.partition_policies.parent_name is 'The name it had when its policy was declared: what is left of a table that was dropped.';
comment on column nightshift.partition_policies.every is
  'The length of a partition: hours that divide a day, whole days, or months that divide a year. Partitions begin on a grid in UTC: days are counted from Monday 2001-01-01.';
comment on column nightshift.partition_policies.premake is 'How many partitions there are after the one that holds now.';
comment on column nightshift.partition_policies.retention is
  'A partition is due to be retired when it ended this long ago; null keeps all.';
comment on column nightshift.partition_policies.grace is 'How long a detached partition waits to be dropped.';
comment on column nightshift.partition_policies.max_fraction is
  'A run that would retire more than this share of the partitions that have begun refuses to.';
comment on column nightshift.partition_policies.partition_schema is 'Where new partitions are made; null for the schema of the table.';
comment on column nightshift.partition_policies.epoch is 'What a bigint key counts since 1970.';

create table if not exists nightshift.retired_partitions (
  id bigint generated always as identity primary key,
  partition regclass not null,
  partition_name text not null,
  parent regclass not null,
  parent_name text not null,
  from_bound text not null,
  to_bound text not null,
  period tsrange not null,
  status text not null check (status in ('detaching', 'detached', 'dropped', 'reattached', 'released', 'gone')),
  size_bytes bigint not null,
  estimated_rows bigint,
  run_id uuid,
  retired_at timestamptz not null default clock_timestamp(),
  drop_after timestamptz,
  ended_at timestamptz,
  ended_run uuid
);

comment on table nightshift.retired_partitions is
  'Every partition that Nightshift took out of a table, and what became of it. Kept for ever: it is the proof of what was dropped.';
comment on column nightshift.retired_partitions.from_bound is
  'As in FOR VALUES FROM (...) TO (...), so that it can be attached again just as it was.';
comment on column nightshift.retired_partitions.status is
  'detaching: asked for over the direct connection, not known to be done. detached: no part of the table. dropped. reattached: part of it again, and left alone. released: reattached, and due again since its policy was given another retention; or detached by a person. gone: dropped or taken elsewhere by a person.';
comment on column nightshift.retired_partitions.drop_after is 'Null when the policy said to keep it.';

create table if not exists nightshift.default_exclusions (
  parent regclass primary key references nightshift.partition_policies on delete cascade,
  default_partition regclass not null,
  period tsrange not null
);

comment on table nightshift.default_exclusions is
  'One row while the constraint nightshift_room_ahead is on a default partition: what it keeps out. Made and removed with it.';

create index if not exists retired_partitions_partition on nightshift.retired_partitions (partition);
create index if not exists retired_partitions_parent on nightshift.retired_partitions (parent, status);
alter table nightshift.partition_policies enable row level security;
alter table nightshift.retired_partitions enable row level security;
alter table nightshift.default_exclusions enable row level security;

do $$
begin
  create type nightshift.partition_state as (
    parent oid,
    key_column name,
    key_type regtype,
    begun timestamp,
    cutoff timestamp,
    held tsmultirange,
    missing tsmultirange,
    left_out tsmultirange,
    detached tsmultirange,
    horizon timestamp,
    default_partition oid,
    newest oid,
    newest_is_past boolean,
    partitions integer,
    begun_partitions integer,
    due oid[],
    kept oid[],
    odd oid[],
    pending oid[]
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.partition_state is 'What nightshift.assess_partitions finds of one table.';

-- supabase/schema/refresh/tables.sql

-- Refresh policies, and the record of refreshes.

create table if not exists nightshift.refresh_policies (
  view regclass primary key,
  view_name text not null,
  max_staleness interval not null,
  allow_blocking boolean not null default false,
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  data_as_of timestamptz,
  state jsonb,
  last_refreshed_at timestamptz,
  last_refresh_ms integer
);

comment on table nightshift.refresh_policies is 'One row for each materialized view that Nightshift keeps up to date.';
comment on column nightshift.refresh_policies.view_name is
  'The name it had when Nightshift last looked: a view that was dropped and created anew under this name has the policy again.';
comment on column nightshift.refresh_policies.data_as_of is
  'The view is known to hold what its query would have returned at this moment, were all that it reads up to date; null before the first refresh.';
comment on column nightshift.refresh_policies.state is
  'What nightshift.view_state returned before the last refresh; null when that refresh was of another view.';

create table if not exists nightshift.view_refreshes (
  id bigint generated always as identity primary key,
  view regclass not null,
  view_name text not null,
  run_id uuid,
  status text not null check (status in ('refreshed', 'failed')),
  mode text check (mode in ('concurrently', 'plain')),
  reason text not null,
  detail text not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  row_count bigint,
  size_bytes bigint,
  dead_rows bigint,
  error jsonb
);

comment on table nightshift.view_refreshes is
  'Every refresh that Nightshift made or tried, kept for settings.ledger_retention. A refresh is written in its own transaction, so it is here if and only if it happened.';
comment on column nightshift.view_refreshes.reason is
  'One word, as nightshift.assess_view has it; detail is the sentence.';
comment on column nightshift.view_refreshes.dead_rows is
  'Dead rows in the view afterwards: a refresh concurrently leaves them to autovacuum.';

create index if not exists view_refreshes_view on nightshift.view_refreshes (view, id);
create index if not exists view_refreshes_run on nightshift.view_refreshes (run_id);
create index if not exists view_refreshes_started_at on nightshift.view_refreshes (started_at);
alter table nightshift.refresh_policies enable row level security;
alter table nightshift.view_refreshes enable row level security;

-- supabase/schema/retention/tables.sql

-- Retention policies, and what a purge keeps between its batches.

create table if not exists nightshift.retention_policies (
  relation regclass primary key,
  drop_after interval not null,
  marker_column name not null,
  flag_column name,
  max_fraction numeric not null default 0.5 check (max_fraction > 0 and max_fraction <= 1),
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  last_purged_at timestamptz,
  last_purged_run uuid,
  last_purged_rows bigint,
  relation_name text,
  first_purge text check (first_purge = 'all')
);

comment on table nightshift.retention_policies is 'One row a table: rows whose marker is older than drop_after may be purged.';
comment on column nightshift.retention_policies.marker_column is
  'A date, timestamp or timestamptz column: when the row was soft-deleted, or any other time it ages by.';
comment on column nightshift.retention_policies.flag_column is 'A boolean column that must be true as well, or null.';
comment on column nightshift.retention_policies.max_fraction is
  'A run leaves a table alone when it would remove more than this share of it, or of a table of its children. Default 0.5.';
comment on column nightshift.retention_policies.first_purge is
  '''all'' until a run has gone through the table once: max_fraction does not hold for what was due when the policy was declared.';

comment on column nightshift.retention_policies.relation_name is
  'The name it had when Nightshift last looked: a table that was dropped and created anew under this name has the policy again.';

alter table nightshift.retention_policies enable row level security;

create table if not exists nightshift.retention_keys (
  policy regclass not null references nightshift.retention_policies (relation) on update cascade on delete cascade,
  referencing regclass not null,
  constraint_name name not null,
  role text not null check (role in ('child', 'release', 'keep')),
  primary key (policy, referencing, constraint_name)
);

comment on table nightshift.retention_keys is
  'What a policy says of foreign keys that refer to its rows, or to rows that go with them. A key without a row here keeps what it refers to.';
comment on column nightshift.retention_keys.referencing is 'The table that refers.';
comment on column nightshift.retention_keys.role is
  'child: rows that refer go too. release: their reference is set to null or default, as the ON DELETE of the key says. keep: they hold what they refer to, and nobody needs to be told.';

alter table nightshift.retention_keys enable row level security;

create table if not exists nightshift.purge_decisions (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  fate text not null check (fate in ('held', 'kept', 'refused', 'undecided', 'gone', 'assessed')),
  reason text,
  primary key (run_id, relation, tid)
);

comment on table nightshift.purge_decisions is
  'What a run that has not ended knows of rows, so that none is walked twice: rows that stay, and in a dry run those that would be gone. It can only keep a row: what is deleted is looked at anew, under a lock.';
comment on column nightshift.purge_decisions.fate is
  'held, kept (the policy says that what holds it may), refused (by a trigger or constraint), undecided: it stays. gone: a dry run counts it as deleted; assessed: the same, while the brake is being asked.';
comment on column nightshift.purge_decisions.reason is 'The foreign keys, one a line, the trigger or the constraint that keep it.';

alter table nightshift.purge_decisions enable row level security;

create table if not exists nightshift.purge_pending (
  run_id uuid not null,
  turn oid not null,
  relation oid not null,
  tid tid not null,
  policy oid not null,
  level integer not null,
  walked boolean not null,
  primary key (run_id, turn, relation, tid)
);

comment on table nightshift.purge_pending is
  'Due rows that wait until rows that refer to them are decided, because all of it at once was too much for one batch. The highest level is taken up first.';
comment on column nightshift.purge_pending.turn is 'The table whose turn it was; its own rows, or others that refer to them.';
comment on column nightshift.purge_pending.walked is 'Whether the cursor has passed the row, so that it is counted when it is decided.';

alter table nightshift.purge_pending enable row level security;

create table if not exists nightshift.purge_released (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  turn oid not null,
  referencing oid not null,
  "references" integer not null,
  primary key (run_id, relation, tid, turn, referencing)
);

comment on table nightshift.purge_released is
  'Rows that lost references in a run, and may go in it themselves: then these are no longer counted.';
comment on column nightshift.purge_released.turn is 'The table whose turn it was, and whose step counts them.';
comment on column nightshift.purge_released.referencing is 'The table of the foreign key, which they are counted by.';

alter table nightshift.purge_released enable row level security;

create table if not exists nightshift.purge_counted (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  primary key (run_id, relation, tid)
);

comment on table nightshift.purge_counted is
  'Due rows that the cursor of a run has passed, and that have moved to where it has not been yet: it passes over them there.';

alter table nightshift.purge_counted enable row level security;

do $$
begin
  create type nightshift.row_set as (policy oid, relation oid, due boolean, tids tid[]);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.row_set is
  'Physical rows of one table and why they may go: policy, and whether they are due by it or its children. Good for one transaction; sets of several tables travel as an array.';

do $$
begin
  create type nightshift.held_row as (policy oid, relation oid, tid tid, fate text, reason text);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.held_row is
  'A row that stays after all, with the fate of nightshift.purge_decisions and one reason; a row with several is there once for each.';

do $$
begin
  create type nightshift.released_row as (key oid, relation oid, tid tid, referenced_relation oid, referenced_tid tid);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.released_row is
  'A row whose reference is set to null or default, through which foreign key, when the row that it refers to goes.';

do $$
begin
  create type nightshift.moved_row as (relation oid, old_tid tid, new_tid tid);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.moved_row is 'A row that was changed by this transaction, and is at another place since.';

do $$
begin
  create type nightshift.purge_key as (
    policy oid, role text, key oid, name text, referenced regclass, referencing regclass, indexed boolean, related oid[]
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.purge_key is
  'A foreign key that refers to rows which go by a policy, and what the policy says of it: child, release, keep, or hold where it says nothing. related: what nightshift.related_tables has of the table referred to.';

-- supabase/schema/soft-delete/tables.sql

-- Which tables are soft-deleted and how, which children go along, and what was deleted and restored.

create table if not exists nightshift.soft_delete_tables (
  relation regclass primary key,
  relation_name text not null,
  marker_column name not null,
  flag_column name,
  by_column name not null,
  reason_column name not null,
  operation_column name not null,
  added_columns name[] not null default '{}',
  active_indexes text[] not null default '{}',
  added_indexes text[] not null default '{}',
  views boolean not null default true,
  hide boolean not null default false,
  for_users boolean not null default false,
  created_at timestamptz not null default now()
);

comment on table nightshift.soft_delete_tables is 'One row a table whose rows are marked as deleted, and can be restored, by Nightshift.';
comment on column nightshift.soft_delete_tables.relation_name is 'The name it had when it was enabled or changed last.';
comment on column nightshift.soft_delete_tables.marker_column is
  'A date, timestamp (of UTC) or timestamptz column: when the row was deleted. Null in a row that was not.';
comment on column nightshift.soft_delete_tables.flag_column is 'A boolean column that is true in deleted rows, or null.';
comment on column nightshift.soft_delete_tables.by_column is 'Who deleted it: text, varchar or uuid.';
comment on column nightshift.soft_delete_tables.operation_column is
  'By which operation: a uuid whose first 48 bits are its time, which is in the marker too. So the rows of an operation are found by the index of the marker.';
comment on column nightshift.soft_delete_tables.added_columns is 'The columns that Nightshift added, and takes away again.';
comment on column nightshift.soft_delete_tables.active_indexes is
  'Lists of columns, by each of which there is to be an index of the rows that are not deleted.';
comment on column nightshift.soft_delete_tables.added_indexes is 'Those of them that were not there before, and are taken away again.';
comment on column nightshift.soft_delete_tables.hide is
  'Whether a restrictive policy hides deleted rows from anon and authenticated.';
comment on column nightshift.soft_delete_tables.for_users is
  'Whether authenticated may call soft_delete and restore for it: its row level security says of which rows.';

alter table nightshift.soft_delete_tables enable row level security;

create table if not exists nightshift.soft_delete_cascades (
  relation regclass not null references nightshift.soft_delete_tables (relation) on update cascade on delete cascade,
  referencing regclass not null references nightshift.soft_delete_tables (relation) on update cascade on delete cascade,
  constraint_name name not null,
  guarded boolean not null default false,
  primary key (relation, referencing, constraint_name)
);

comment on table nightshift.soft_delete_cascades is
  'Foreign keys along which a deletion goes on: rows of referencing are deleted with the row of relation that they refer to, and restored with it.';
comment on column nightshift.soft_delete_cascades.guarded is 'Whether a trigger refuses a row that refers to a deleted one.';

create index if not exists soft_delete_cascades_referencing on nightshift.soft_delete_cascades (referencing);
alter table nightshift.soft_delete_cascades enable row level security;

create table if not exists nightshift.deletion_events (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  transaction xid8 not null default pg_current_xact_id(),
  operation uuid,
  action text not null check (action in ('delete', 'restore', 'restore_failed', 'purge')),
  relation_name text not null,
  rows bigint not null,
  keys jsonb,
  actor text,
  reason text,
  details jsonb
);

comment on table nightshift.deletion_events is
  'What was deleted, restored and purged in tables with soft delete, and what could not be restored: one row a statement and operation, for 10,000 rows at most. Written by a trigger, and by nobody else, and kept for settings.ledger_retention.';
comment on column nightshift.deletion_events.transaction is
  'The transaction that wrote it. What is older than the oldest transaction under way is complete: see nightshift.deleted_since.';
comment on column nightshift.deletion_events.operation is
  'Of delete and restore: the operation that deleted the rows; of purge: the run. Null for rows that were deleted before soft delete was enabled.';
comment on column nightshift.deletion_events.keys is
  'The primary keys of the rows: an array of values, or of objects where the key has several columns. Null where they are not kept.';
comment on column nightshift.deletion_events.actor is 'The user (the subject of the token), the name that service_role gave, or the database role.';
comment on column nightshift.deletion_events.details is
  'Of restore_failed: why, most frequent first: [{code: the SQLSTATE, constraint, raisedIn: a line and function, rows}].';

create index if not exists deletion_events_age on nightshift.deletion_events (at);
create index if not exists deletion_events_at on nightshift.deletion_events (relation_name, at);
create index if not exists deletion_events_transaction on nightshift.deletion_events (transaction, id);
create index if not exists deletion_events_operation on nightshift.deletion_events (operation);
alter table nightshift.deletion_events enable row level security;

do $$
begin
  create type nightshift.soft_delete_rules as (
    relation regclass,
    source text,
    deleted text,
    mark text,
    unmark text,
    of_operation text,
    since text,
    marker text,
    key_names name[],
    key_definition text,
    key_match text,
    key_order text,
    key_object text,
    key_value text,
    trigger_path text
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.soft_delete_rules is
  'A table with soft delete as statements need it, where r is one of its rows and k an asked key. source: after FROM. deleted: the condition. mark, unmark: assignments; $2 to $5 are time, who, why and operation. of_operation: the condition for the rows of operation $2, whose time is $1. since: for those deleted at $1 or later. key_definition: columns of k for jsonb_to_recordset; key_match: r is k; key_object, key_value: the key of r as an object, and as callers know it.';

do $$
begin
  create type nightshift.ddl_step as (statement text, why text, lock text, outside_transaction boolean);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.ddl_step is
  'A statement that brings a table to what was asked for, why, and the lock that it takes. outside_transaction: it cannot run in one.';

-- supabase/schema/access/api_roles.sql

create or replace function nightshift.api_roles()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select r.oid
  from pg_catalog.pg_roles r
  where not r.rolbypassrls and not r.rolsuper
    and (
      r.rolname in ('anon', 'authenticated')
      or exists (
        select 1
        from pg_catalog.pg_auth_members m
        join pg_catalog.pg_roles a on a.oid = m.member and a.rolname = 'authenticator'
        where m.roleid = r.oid
      )
    );
$$;

comment on function nightshift.api_roles is
  'The roles that a request over the Data API can have: anon, authenticated, and others that authenticator may become; without those that row level security does not apply to, like service_role.';

-- supabase/schema/access/can_be_referenced.sql

create or replace function nightshift.can_be_referenced(relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pg_catalog.pg_roles r
    where r.rolcanlogin
      and not pg_has_role(r.oid, current_user::regrole, 'usage')
      -- Supabase's own, and the one that requests come through: they make no tables.
      and r.rolname <> 'authenticator' and r.rolname not like 'supabase\_%'
      and exists (
        select from pg_catalog.pg_roles g
        where pg_has_role(r.oid, g.oid, 'member') and has_any_column_privilege(g.oid, relation, 'references')
      )
  );
end;
$$;

comment on function nightshift.can_be_referenced is
  'Whether someone without the rights of the owner of these functions could make a foreign key to a table at this moment.';

-- supabase/schema/access/find_stranger.sql

-- Whose code Nightshift would run if it read, locked or changed a table.
-- Why: to plan a query is to run what is constant in the indexes, statistics and constraints of its tables, to write a row is to run
--      triggers, and all of that has the rights of whoever asks, which here is the owner of the functions. A partition is
--      planned with its table and takes indexes and triggers from it, so the whole family counts; and a schema's owner can put
--      another relation in the place of one that is known by its name.

create or replace function nightshift.find_stranger(relation regclass, out message text, out hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  own_role constant oid := current_user::regrole;
  database_owner oid;
  family oid[] := array[relation];
  level oid[] := family;
begin
  loop
    level := array(
      select i.inhparent from pg_catalog.pg_class c join pg_catalog.pg_inherits i on i.inhrelid = c.oid
      where c.oid = any(level) and c.relispartition
    );
    exit when level = '{}';
    family := family || level;
  end loop;
  level := array[relation];
  loop
    level := array(
      select i.inhrelid from pg_catalog.pg_class c join pg_catalog.pg_inherits i on i.inhparent = c.oid
      where c.oid = any(level) and c.relkind = 'p'
    );
    exit when level = '{}';
    family := family || level;
  end loop;
  select d.datdba into database_owner from pg_catalog.pg_database d where d.datname = current_database();

  select s.message, s.hint into message, hint
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  -- The schema public belongs to whoever owns the database.
  cross join lateral (select case n.nspowner when 'pg_database_owner'::regrole then database_owner else n.nspowner end) h(owner)
  cross join lateral (
    select
      format('%s belongs to %I', c.oid::regclass, c.relowner::regrole),
      nightshift.hint_for_owner(c.relowner, format('alter %s %s owner to %I; grant select, insert, update, delete on %s to %I;',
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
        c.oid::regclass, current_user, c.oid::regclass, c.relowner::regrole))
    where not pg_has_role(c.relowner, own_role, 'usage')
    union all
    select
      format('%s is in the schema %I, which belongs to %I', c.oid::regclass, n.nspname, h.owner::regrole),
      nightshift.hint_for_owner(h.owner, format('alter schema %I owner to %I; grant all on schema %I to %I;',
        n.nspname, current_user, n.nspname, h.owner::regrole))
    where not pg_has_role(h.owner, own_role, 'usage')
    union all
    -- Whoever was granted TRIGGER on a table can hang a function of their own on it.
    select
      format('Trigger %I of %s calls %s, which belongs to %I', t.tgname, c.oid::regclass, p.oid::regprocedure, p.proowner::regrole),
      nightshift.hint_for_owner(p.proowner, format('alter function %s owner to %I;', p.oid::regprocedure, current_user))
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace f on f.oid = p.pronamespace
    where c.relhastriggers and t.tgrelid = c.oid and not t.tgisinternal
      and not pg_has_role(p.proowner, own_role, 'usage')
      -- The webhooks of Supabase run with rights of their own, and only Supabase writes into that schema.
      and not (p.prosecdef and f.nspname = 'supabase_functions' and pg_has_role(f.nspowner, own_role, 'usage'))
    union all
    -- And its condition is worked out with our rights, whosever the function is.
    select
      format('The condition of trigger %I of %s uses %s', t.tgname, c.oid::regclass, u.used),
      format('drop trigger %I on %s; /* and create it without: its function can look at the same */', t.tgname, c.oid::regclass)
    from pg_catalog.pg_trigger t
    cross join lateral nightshift.untrusted_in_condition(t.oid) u(used)
    where c.relhastriggers and t.tgrelid = c.oid and not t.tgisinternal and t.tgqual is not null and u.used is not null
  ) s(message, hint)
  where c.oid = any(family)
    -- Most of a thousand partitions are nobody else's, and that is soon seen.
    and (c.relhastriggers or not pg_has_role(c.relowner, own_role, 'usage') or not pg_has_role(h.owner, own_role, 'usage'))
  limit 1;
end;
$$;

comment on function nightshift.find_stranger is
  'Who keeps Nightshift from touching a table, in words, with the fix: someone without the rights of the owner of these functions who owns it, a partition of it, a table that it is a partition of, the schema of one of these, or a function that a trigger of one of these, or its condition, calls. Null for nobody.';

-- supabase/schema/access/hand_over.sql

-- Whose rights the functions have, once they were installed by another role than the one that owns the application's tables.
-- Why: a purge runs the triggers and index expressions of a table with the rights of the owner of the functions. Where that
--      is a role above the owner of the table, as postgres is above the role that Supabase's guide makes for Prisma, the table's
--      owner would gain what the role above it may do. Owned by the lower role, the functions run both with its rights.
-- Locks: ACCESS EXCLUSIVE on each table of Nightshift until the end of the transaction.

create or replace function nightshift.hand_over(owner name)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  database constant name := current_database();
  may_create boolean;
begin
  if not exists (select from pg_catalog.pg_roles r where r.rolname = owner) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no role %I', owner),
      hint = 'Name the role that owns the tables of the application: select distinct tableowner from pg_tables;';
  end if;
  -- To be a member was enough until Postgres 16.
  if not pg_has_role(owner, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end) then
    raise exception using
      errcode = 'NS422',
      message = format('%I cannot give Nightshift to %I, of which it is not a member', current_user, owner),
      detail = 'Nothing was changed.',
      hint = format('grant %I to %I;', owner, current_user);
  end if;
  may_create := has_database_privilege(owner, database, 'create');
  -- Postgres asks for that right at this moment only.
  if not may_create then
    execute format('grant create on database %I to %I', database, owner);
  end if;
  execute format('alter schema nightshift owner to %I', owner);
  if not may_create then
    execute format('revoke create on database %I from %I', database, owner);
  end if;
  perform nightshift.settle_owner();
end;
$$;

comment on function nightshift.hand_over is
  'Makes another role the owner of Nightshift: the one that owns the tables of the application. Whoever calls must own it now and be a member of that role. Policies, the ledger and who may call what stay as they are. Later migrations are applied as before: what they add is given to it, too. Errors: NS404 no such role, NS422 no member of it, with the statement that makes one.';

-- supabase/schema/access/hint_for_owner.sql

create or replace function nightshift.hint_for_owner(owner oid, otherwise text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when pg_has_role(current_user, hint_for_owner.owner, 'member') then format(
      'select nightshift.hand_over(%L); /* the functions then have the rights of %I, and nobody loses any */',
      pg_get_userbyid(hint_for_owner.owner), hint_for_owner.owner::regrole)
    else hint_for_owner.otherwise
  end;
$$;

comment on function nightshift.hint_for_owner is
  'What lets Nightshift touch what another role owns. A role that the owner of the functions is a member of can own them in its place: so they gain nothing, and its application goes on as before. otherwise: what is said of any other role.';

-- supabase/schema/access/name_some.sql

create or replace function nightshift.name_some(relations oid[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(n.relation::regclass::text, ', ' order by n.position)
    || case when cardinality(name_some.relations) > 3 then format(' and %s more', cardinality(name_some.relations) - 3) else '' end
  from unnest(name_some.relations[1:3]) with ordinality n(relation, position);
$$;

comment on function nightshift.name_some is 'The names of the first three relations, and how many more there are.';

-- supabase/schema/access/other_owners.sql

create or replace function nightshift.other_owners()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'owner', o.owner, 'tables', o.tables, 'example', o.example::text, 'fix', nightshift.hint_for_owner(o.role, null)
  ) order by o.owner), '[]')
  from (
    select c.relowner as role, pg_get_userbyid(c.relowner) as owner, count(*) as tables, (min(c.oid::bigint)::oid)::regclass as example
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema', 'nightshift')
      and not pg_has_role(c.relowner, current_user::regrole, 'member')
      -- Others than the roles above and beside it are no affair of an application's tables.
      and pg_has_role(current_user, c.relowner, 'member')
      and nightshift.advice_for_supabase_table(c.oid) is null
    group by c.relowner
  ) o;
$$;

comment on function nightshift.other_owners is
  'The roles below the owner of the functions that own tables which Nightshift therefore leaves alone: [{owner, tables: how many, example, fix}].';

-- supabase/schema/access/require_checked_keys.sql

create or replace function nightshift.require_checked_keys(parent regclass, partition regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  lacking record;
begin
  select k.conname, k.confrelid::regclass as referenced, s.message, pg_get_constraintdef(k.oid) as definition into lacking
  from pg_catalog.pg_constraint k
  cross join lateral nightshift.find_stranger(k.confrelid) s
  where k.conrelid = parent and k.contype = 'f' and s.message is not null
    and not exists (
      select from pg_catalog.pg_constraint o
      where o.conrelid = partition and o.contype = 'f' and o.convalidated and o.confrelid = k.confrelid
        and pg_get_constraintdef(o.oid) = pg_get_constraintdef(k.oid)
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = lacking.message,
      detail = format('%s lacks the foreign key %I of %s, and Postgres would read %s with the rights of %I to check it.',
        partition, lacking.conname, parent, lacking.referenced, current_user),
      hint = format('alter table %s add constraint %I %s;', partition, lacking.conname, lacking.definition);
  end if;
end;
$$;

comment on function nightshift.require_checked_keys is
  'Raises NS422 when a table that is to be attached lacks a foreign key of the partitioned table to a table that could have code of someone else run (see find_stranger): one that it has already is not checked again.';

-- supabase/schema/access/require_nothing_queued.sql

create or replace function nightshift.require_nothing_queued()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  stranger text;
begin
  -- A row that is written has a transaction id assigned. Nothing was queued without one.
  if pg_current_xact_id_if_assigned() is null or pg_has_role(caller, current_user, 'usage') then
    return;
  end if;
  select s.message into stranger
  from (select distinct t.tgrelid from pg_catalog.pg_trigger t where t.tgdeferrable) t
  cross join lateral nightshift.find_stranger(t.tgrelid) s
  where s.message is not null
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = 'The transaction has written something before this call',
      detail = format('A deferred trigger that it has queued would run with the rights of %I: %s.', current_user, stranger),
      hint = 'Call it at the beginning of a transaction.';
  end if;
end;
$$;

comment on function nightshift.require_nothing_queued is
  'Raises NS422 when the caller could have queued a deferred trigger of someone without the rights of the owner of these functions. Before Postgres 18, set constraints runs it with the rights of whoever says that, so each function that does asks this before it writes anything.';

-- supabase/schema/access/require_ownership.sql

create or replace function nightshift.require_ownership(relation regclass, what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of the function: a policy gives nobody a right over a table that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  owner oid := (select c.relowner from pg_catalog.pg_class c where c.oid = relation);
begin
  if not pg_has_role(caller, owner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not change its %s', relation, owner::regrole, caller, what),
      hint = 'Call it as the owner of the table: on Supabase in the SQL editor, in a migration, or over a direct connection.';
  end if;
end;
$$;

comment on function nightshift.require_ownership is 'Raises NS422 unless whoever calls has the rights of the owner of a table.';

-- supabase/schema/access/require_trusted.sql

create or replace function nightshift.require_trusted(relations oid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  strangers record;
begin
  select string_agg(s.message, ', and ' order by r.position) as messages, (array_agg(s.hint order by r.position))[1] as hint
  into strangers
  from unnest(relations) with ordinality r(oid, position)
  cross join lateral nightshift.find_stranger(r.oid) s
  where s.message is not null;
  if strangers.messages is not null then
    raise exception using
      errcode = 'NS422',
      message = strangers.messages,
      detail = format('What is hung on them would run with the rights of %I, which their owners do not have.', current_user),
      hint = strangers.hint;
  end if;
end;
$$;

comment on function nightshift.require_trusted is
  'Raises NS422 for all of these relations at once with which someone else could have code of theirs run; see find_stranger. What puts a name into a statement asks trusted_name.';

-- supabase/schema/access/require_trusted_keys.sql

create or replace function nightshift.require_trusted_keys(parent regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Found by what depends on the table: a key that is not enforced has no triggers, and there is no index by the table at the other end.
  perform nightshift.trusted_name(r.relation)
  from (
    select distinct k.conrelid::regclass
    from (
      select require_trusted_keys.parent::oid
      union all
      select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = require_trusted_keys.parent
    ) p(relation)
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p.relation
      and d.classid = 'pg_catalog.pg_constraint'::regclass
    join pg_catalog.pg_constraint k on k.oid = d.objid and k.contype = 'f' and k.confrelid = p.relation
  ) r(relation);
end;
$$;

comment on function nightshift.require_trusted_keys is
  'Raises NS422 when a table that refers to a partitioned table, or to a partition of it, could have code of someone else run (see trusted_name): Postgres reads those tables, with our rights, when a partition is detached.';

-- supabase/schema/access/settle_owner.sql

create or replace function nightshift.settle_owner()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  owner oid;
  statement text;
begin
  select n.nspowner into owner from pg_catalog.pg_namespace n where n.nspname = 'nightshift';
  for statement in
    select format('alter %s %s owner to %I', case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass, owner::regrole)
    from pg_catalog.pg_class c
    where c.relnamespace = 'nightshift'::regnamespace and c.relowner <> owner
      and (
        c.relkind = 'r'
        -- The sequence of a column goes with its table.
        or c.relkind = 'S' and not exists (
          select 1 from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
        )
      )
    union all
    select format('alter type %s owner to %I', t.oid::regtype, owner::regrole)
    from pg_catalog.pg_type t
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where t.typnamespace = 'nightshift'::regnamespace and t.typowner <> owner
      and (t.typtype in ('d', 'e') or c.relkind = 'c')
    union all
    select format('alter routine %s owner to %I', f.oid::regprocedure, owner::regrole)
    from pg_catalog.pg_proc f
    where f.pronamespace = 'nightshift'::regnamespace and f.proowner <> owner
  loop
    execute statement;
  end loop;
end;
$$;

comment on function nightshift.settle_owner is
  'Gives all that is in the schema to the owner of the schema: what a migration has added belongs to whoever applied it, and functions of two owners would act with the rights of two.';

-- supabase/schema/access/trusted_name.sql

-- The one way to a name of a relation of the application that is put into a statement.
-- A purge asks in each batch, so what most tables are like is seen at once, and the rest is left to find_stranger.

create or replace function nightshift.trusted_name(relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  member oid := relation;
  looked_at record;
  schema_owner oid;
  name text;
  kind "char";
  is_own boolean;
  stranger record;
begin
  loop
    select c.relkind, c.relispartition, c.relhastriggers, n.nspowner, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
      pg_has_role(c.relowner, own_role, 'usage') as is_own
    into looked_at
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = member;
    if not found then
      raise exception using
        errcode = 'NS404',
        message = format('The table %s is gone', relation),
        hint = 'It was dropped just now. Repeat the call.';
    end if;
    name := coalesce(name, looked_at.name);
    kind := coalesce(kind, looked_at.relkind);
    schema_owner := looked_at.nspowner;
    if schema_owner = 'pg_database_owner'::regrole then
      -- The schema public belongs to whoever owns the database.
      select d.datdba into schema_owner from pg_catalog.pg_database d where d.datname = current_database();
    end if;
    is_own := looked_at.is_own and pg_has_role(schema_owner, own_role, 'usage');
    if is_own and looked_at.relhastriggers then
      is_own := not exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = member and not t.tgisinternal
          and (t.tgqual is not null or not pg_has_role(p.proowner, own_role, 'usage'))
      );
    end if;
    exit when not (looked_at.relispartition and is_own);
    select i.inhparent into member from pg_catalog.pg_inherits i where i.inhrelid = member;
  end loop;
  if is_own and kind <> 'p' then
    return name;
  end if;

  select s.* into stranger from nightshift.find_stranger(relation) s;
  if stranger.message is not null then
    raise exception using
      errcode = 'NS422',
      message = stranger.message,
      detail = format('What is hung on it would run with the rights of %I, which that role does not have.', current_user),
      hint = stranger.hint;
  end if;
  return name;
end;
$$;

comment on function nightshift.trusted_name is
  'The name of a relation, with its schema and quoted, for a statement that Nightshift makes. Raises NS422 when someone else could have code of theirs run by it (see find_stranger): no statement names a relation of the application in any other way. Errors: NS404 it is gone.';

-- supabase/schema/access/trusted_names.sql

-- Asked once for a hundred leaves: asked of each, whose it is takes several times as long as to look for a due row in it.

create or replace function nightshift.trusted_names(relations oid[])
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  own_role constant oid := current_user::regrole;
  database_owner constant oid := (select d.datdba from pg_catalog.pg_database d where d.datname = current_database());
  family oid[] := relations;
  level oid[] := relations;
  all_are_own boolean;
begin
  loop
    level := array(select distinct i.inhparent from pg_catalog.pg_inherits i where i.inhrelid = any(level));
    exit when level = '{}';
    family := family || level;
  end loop;
  select coalesce(bool_and(
    pg_has_role(c.relowner, own_role, 'usage')
    -- The schema public belongs to whoever owns the database.
    and pg_has_role(case n.nspowner when 'pg_database_owner'::regrole then database_owner else n.nspowner end, own_role, 'usage')
    and not (c.relhastriggers and exists (
      select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
      where t.tgrelid = c.oid and not t.tgisinternal
        and (t.tgqual is not null or not pg_has_role(p.proowner, own_role, 'usage'))
    ))
  ), true) into all_are_own
  from unnest(family) f(oid)
  cross join lateral (select x.* from pg_catalog.pg_class x where x.oid = f.oid offset 0) c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace;

  return array(
    select coalesce(case when all_are_own then (
      select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = r.oid and c.relkind <> 'p'
    ) end, nightshift.trusted_name(r.oid))
    from unnest(relations) with ordinality r(oid, position)
    order by r.position
  );
end;
$$;

comment on function nightshift.trusted_names is
  'What trusted_name says of each of these relations, in the same order, for statements that only read and follow at once. Errors: those of trusted_name.';

-- supabase/schema/access/trusted_operator.sql

create or replace function nightshift.trusted_operator(operator oid, out name text, out cast_left text, out cast_right text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  schema_name name;
  schema_owner oid;
begin
  select format('operator(%I.%s)', n.nspname, o.oprname), n.nspname, n.nspowner,
    case l.typtype when 'p' then '' else format('::%I.%I', ln.nspname, l.typname) end,
    case r.typtype when 'p' then '' else format('::%I.%I', rn.nspname, r.typname) end
  into name, schema_name, schema_owner, cast_left, cast_right
  from pg_catalog.pg_operator o
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  join pg_catalog.pg_type l on l.oid = o.oprleft
  join pg_catalog.pg_namespace ln on ln.oid = l.typnamespace
  join pg_catalog.pg_type r on r.oid = o.oprright
  join pg_catalog.pg_namespace rn on rn.oid = r.typnamespace
  where o.oid = operator;
  if schema_owner = 'pg_database_owner'::regrole then
    select d.datdba into schema_owner from pg_catalog.pg_database d where d.datname = current_database();
  end if;
  if not pg_has_role(schema_owner, own_role, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('The operator %s is in the schema %I, which belongs to %I', operator::regoperator, schema_name, schema_owner::regrole),
      detail = format('Who owns the schema can put an operator of their own in its place, which would run with the rights of %I.', current_user),
      hint = format('alter schema %I owner to %I;', schema_name, current_user);
  end if;
end;
$$;

comment on function nightshift.trusted_operator is
  'An operator by its oid, for a statement that Nightshift makes: its name with its schema, and the casts that its operands need to be of its own types (empty where it takes any), so that no other operator of its name is a better match. Errors: NS422 when its schema belongs to someone else.';

-- supabase/schema/access/untrusted_in_condition.sql

create or replace function nightshift.untrusted_in_condition(trigger oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  own_role constant oid := current_user::regrole;
  tree constant text := (select t.tgqual::text from pg_catalog.pg_trigger t where t.oid = untrusted_in_condition.trigger);
  used text;
begin
  -- Who has made a trigger stands nowhere, so a condition counts as made by anyone: what it calls must be of someone who is trusted, and
  -- must not be able to run what it is given.
  select case when r.is_own then format('%s, which may run any code that it is given', f.function::regprocedure)
    else format('%s, which belongs to %I', f.function::regprocedure, p.proowner::regrole) end
  into used
  from nightshift.called_functions(tree) f
  join pg_catalog.pg_proc p on p.oid = f.function
  cross join lateral (select pg_has_role(p.proowner, own_role, 'usage')) r(is_own)
  where not (r.is_own and case
    when p.pronamespace = 'pg_catalog'::regnamespace
      then p.proname = 'pg_trigger_depth' or p.provolatile <> 'v' and p.proname !~ '_to_xml'
    else p.provolatile <> 'v' or p.pronargs = 0
  end)
  limit 1;
  if found then
    return used;
  end if;
  -- Types above all: a domain has checks, and casts are looked up by the type.
  select format('%s, which belongs to %I', pg_describe_object(d.refclassid, d.refobjid, 0), o.owner::regrole) into used
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_trigger'::regclass and d.objid = t.oid and d.refobjid <> t.tgfoid
  cross join lateral (
    select coalesce(
      (select y.typowner from pg_catalog.pg_type y where d.refclassid = 'pg_catalog.pg_type'::regclass and y.oid = d.refobjid),
      (
        select s.refobjid from pg_catalog.pg_shdepend s
        where s.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
          and s.classid = d.refclassid and s.objid = d.refobjid and s.objsubid = 0 and s.deptype = 'o'
      )
    )
  ) o(owner)
  where t.oid = untrusted_in_condition.trigger and not pg_has_role(o.owner, own_role, 'usage')
  limit 1;
  return used;
end;
$$;

comment on function nightshift.untrusted_in_condition is
  'What in the WHEN of a trigger could be code of someone without the rights of the owner of these functions, in words; null for nothing.';

-- supabase/schema/health/application_owners.sql

create or replace function nightshift.application_owners()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select r.oid
  from pg_catalog.pg_namespace n
  cross join pg_catalog.pg_roles r
  where n.nspname = 'nightshift'
    and pg_has_role(n.nspowner, r.oid, 'usage')
    -- On older projects postgres is a member of these.
    and (r.oid = n.nspowner or r.rolname not like 'supabase\_%');
$$;

comment on function nightshift.application_owners is
  'The roles whose tables whoever installed Nightshift may change, except those of Supabase (auth, storage, realtime).';

-- supabase/schema/health/application_tables.sql

create or replace function nightshift.application_tables()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select c.oid
  from pg_catalog.pg_class c
  where c.relkind in ('r', 'p', 'm', 't') and c.relpersistence <> 't'
    and c.relowner in (select o from nightshift.application_owners() o)
    and not exists (
      select 1 from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    and (c.relispartition or c.oid not in (
      select r.partition from nightshift.retired_partitions r where r.status = 'detached'
    ));
$$;

comment on function nightshift.application_tables is
  'The tables, materialized views and TOAST tables that advice is given on: those of application_owners, not temporary, not of an extension, and no partitions that were retired, which nobody writes to and which go as a whole.';

-- supabase/schema/health/assess_health.sql

create or replace function nightshift.assess_health(only_checks text[], quick boolean, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  health_check nightshift.health_checks;
  document jsonb;
  documents jsonb := '[]';
  not_run text[] := '{}';
  stopped boolean := false;
begin
  perform nightshift.require_health_checks(only_checks);
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

-- supabase/schema/health/check_health.sql

create or replace function nightshift.check_health(run_id uuid, fence bigint, only_checks text[] default null, quick boolean default false)
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
    insert into nightshift.database_sizes (measured_on, bytes, newest_oid)
    values (today, size, (select c.oid from pg_catalog.pg_class c order by c.oid desc limit 1))
    on conflict do nothing;
    delete from nightshift.database_sizes s where s.measured_on < today - 60;
  end if;
  perform nightshift.follow_tables();
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
  'What get_health returns, for a run, with jobs (see describe_jobs; null when the ledger is locked), lastLevels (see last_health_levels) and databaseBytes. It notes the size of the database, and its newest relation, once a day. Errors: NS404, NS409 lease lost.';

-- supabase/schema/health/declare_health_check.sql

create or replace function nightshift.declare_health_check(
  name text,
  title text,
  healthy text,
  why text,
  unit text,
  worse text default 'higher',
  info numeric default null,
  warning numeric default null,
  critical numeric default null,
  quick boolean default false
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.health_checks (name, title, healthy, why, unit, worse, info, warning, critical, quick)
  values (name, title, healthy, why, unit, worse, info, warning, critical, quick)
  on conflict (name) do update set
    (title, healthy, why, unit, worse, info, warning, critical, quick) = (
      excluded.title, excluded.healthy, excluded.why, excluded.unit, excluded.worse,
      excluded.info, excluded.warning, excluded.critical, excluded.quick
    );
$$;

comment on function nightshift.declare_health_check is
  'Writes the row of a health check, anew where there is one; the file of each check calls it. See nightshift.health_checks for the columns. Thresholds that were set for the check or a subject stay.';

-- supabase/schema/health/describe_health_check.sql

create or replace function nightshift.describe_health_check(health_check nightshift.health_checks)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'name', health_check.name,
    'title', health_check.title,
    'healthy', health_check.healthy,
    'why', health_check.why,
    'unit', health_check.unit,
    'worse', health_check.worse,
    'quick', health_check.quick,
    'info', nightshift.json_number(case when t.id is null then health_check.info else t.info end),
    'warning', nightshift.json_number(case when t.id is null then health_check.warning else t.warning end),
    'critical', nightshift.json_number(case when t.id is null then health_check.critical else t.critical end),
    'off', t.id is not null and coalesce(t.info, t.warning, t.critical) is null
  )
  from (values (1)) one
  left join nightshift.health_thresholds t on t.check_name = health_check.name and t.subject is null;
$$;

comment on function nightshift.describe_health_check is
  'What a check is: name, title, why it matters, unit, thresholds for all its subjects; off: someone has taken all of them away, so that nothing is ever a finding.';

-- supabase/schema/health/describe_leftovers.sql

create or replace function nightshift.describe_leftovers(report jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('%s: %s', s.subject, s.why), '; ' order by s.place) filter (where s.place <= 3)
    || case when count(*) > 3 then format('; and %s more', count(*) - 3) else '' end
  from (
    select
      row_number() over (order by e.place) as place,
      coalesce(e.step ->> 'relation', e.step ->> 'view', e.step ->> 'table', 'a step') as subject,
      coalesce(
        e.step #>> '{error,message}',
        case
          when e.step ? 'relation' then (e.step ->> 'reason') || coalesce(' by ' || nightshift.describe_needs(e.step), '')
          when e.step ? 'view' then e.step ->> 'detail'
          when e.step ? 'table' then nullif(concat_ws(', ',
            case when e.step ->> 'missing' <> '0' then format('%s intervals without a partition', e.step ->> 'missing') end,
            case when e.step -> 'blocked' <> '[]' then format('%s not retired (%s)',
              jsonb_array_length(e.step -> 'blocked'), e.step #>> '{blocked,0,reason}') end,
            case when e.step #>> '{defaultPartition,rows}' <> '0' then format('%s rows in the default partition',
              e.step #>> '{defaultPartition,rows}') end
          ), '')
        end,
        e.step ->> 'status'
      ) as why
    from jsonb_path_query(
      describe_leftovers.report,
      '$.steps[*] ? (!(@.status == "succeeded" || @.status == "refreshed" || @.status == "skipped"))'
    ) with ordinality e(step, place)
  ) s;
$$;

comment on function nightshift.describe_leftovers is
  'What a run left undone, by its report, in words: the first three tables or views, each with the reason; null when the report does not say.';

-- supabase/schema/health/describe_needs.sql

create or replace function nightshift.describe_needs(step jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('%s (%s)', k.key, k.value), ', ' order by k.value::bigint desc, k.key)
  from jsonb_each_text(describe_needs.step -> 'blockedBy') k;
$$;

comment on function nightshift.describe_needs is 'The foreign keys that kept rows from a purge, and how many each.';

-- supabase/schema/health/fix_of_leftovers.sql

create or replace function nightshift.fix_of_leftovers(report jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(f.fix, E'\n' order by f.place)
  from (
    select nightshift.fix_of_step(e.step) as fix, min(e.place) as place
    from jsonb_path_query(
      fix_of_leftovers.report,
      '$.steps[*] ? (!(@.status == "succeeded" || @.status == "refreshed" || @.status == "skipped"))'
    ) with ordinality e(step, place)
    group by 1
    order by place
    limit 3
  ) f;
$$;

comment on function nightshift.fix_of_leftovers is
  'What to do about what a run left undone, by its report: the first fix of each step, three at most, one a line; null when the report does not say.';

-- supabase/schema/health/fix_of_stale_view.sql

create or replace function nightshift.fix_of_stale_view(policy nightshift.refresh_policies)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Its own function, for refresh materialized view by hand leaves no record of how old the data is.
  select string_agg(concat(
    case
      when w.way ->> 'problem' is null then null
      when not nightshift.may_refresh(current_user, v.view) or not c.relispopulated then (w.way ->> 'fix') || ' '
      else format('select nightshift.alter_refresh_policy(%L, allow_blocking => true); ', v.view)
    end,
    format('select nightshift.refresh_policy_view(nightshift.find_refresh_policy(%L)%s);', v.view,
      -- As long as its age is not known, that it has not changed says nothing.
      case when p.data_as_of is null and p.last_refreshed_at is not null then ', true' end)
  ), ' ' order by v.place)
  from unnest(nightshift.views_below(nightshift.view_of(policy)) || nightshift.view_of(policy)) with ordinality v(view, place)
  join pg_catalog.pg_class c on c.oid = v.view
  cross join lateral nightshift.find_refresh_policy(v.view::text) p
  cross join lateral (select nightshift.refresh_way(v.view, p.allow_blocking)) w(way)
  where p.view is not null;
$$;

comment on function nightshift.fix_of_stale_view is 'SQL that refreshes a view of a policy, after those that it is made from, and keeps a record of it.';

-- supabase/schema/health/fix_of_step.sql

create or replace function nightshift.fix_of_step(step jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  -- What is no SQL is said as a comment.
  select case when f.fix ~ '^(select|create|alter|drop|grant|vacuum|set) ' then f.fix else '-- ' || f.fix end
  from (
    select coalesce(fix_of_step.step #>> '{error,hint}', fix_of_step.step #>> '{fixes,0,fix}') as fix
  ) f
  where f.fix is not null;
$$;

comment on function nightshift.fix_of_step is
  'What to do first about what a step of a run left, by its report: SQL or a comment; null when the report does not say.';

-- supabase/schema/health/get_health.sql

create or replace function nightshift.get_health(only_checks text[] default null, quick boolean default false, as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
as $$
  select nightshift.assess_health(get_health.only_checks, get_health.quick, get_health.as_of);
$$;

comment on function nightshift.get_health is
  'The health of the database and of the night shift, see assess_health; it changes nothing. only_checks: names; null for all. quick: only what changes within minutes. statement_timeout 8 s for all together. Errors: NS404.';

-- supabase/schema/health/health_level.sql

-- plpgsql, because it is called for each of ten thousand partitions: an SQL function would be planned in each call.

create or replace function nightshift.health_level(value numeric, worse text, info numeric, warning numeric, critical numeric)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when case worse when 'lower' then value <= critical else value >= critical end then 'critical'
    when case worse when 'lower' then value <= warning else value >= warning end then 'warning'
    when case worse when 'lower' then value <= info else value >= info end then 'info'
    else 'ok'
  end;
end;
$$;

comment on function nightshift.health_level is 'The worst level whose threshold the value has reached; a null threshold is never reached.';

-- supabase/schema/health/index_definition.sql

create or replace function nightshift.index_definition(index oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select substr(pg_get_indexdef(x.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%s',
    case when x.indisunique then 'UNIQUE ' end, c.relname, case when c.relkind = 'I' then 'ONLY ' end, x.indrelid::regclass)))
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  where x.indexrelid = index_definition.index;
$$;

comment on function nightshift.index_definition is
  'What stands after the table in the statement that creates an index: method, columns and all else that it shares with its parts.';

-- supabase/schema/health/json_number.sql

create or replace function nightshift.json_number(value numeric)
returns numeric
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when value not in ('NaN', 'Infinity', '-Infinity') then value end;
$$;

comment on function nightshift.json_number is 'The number, or null where JSON has none: one that is infinite, or not a number.';

-- supabase/schema/health/last_health_levels.sql

create or replace function nightshift.last_health_levels(as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    -- What nobody has looked at for a night and two hours is not known, however well it was then.
    when last.finished_at < last_health_levels.as_of - interval '26 hours' or last.finished_at is null and exists (
      select 1 from nightshift.runs r
      where r.job = 'health-check' and r.finished_at < last_health_levels.as_of - interval '26 hours'
    ) then (select jsonb_object_agg(c.name, 'unknown') from nightshift.health_checks c where not c.quick)
    else coalesce((
      select jsonb_object_agg(f.name, f.level)
      from (
        select c ->> 'name', c ->> 'level'
        from jsonb_array_elements(last.report -> 'checks') c
        where not (c ->> 'quick')::boolean
        union all
        select n, 'unknown'
        from jsonb_array_elements_text(last.report -> 'notRun') n
        where n in (select h.name from nightshift.health_checks h where not h.quick)
      ) f(name, level)
    ), '{}')
  end
  from (values (1)) one
  left join lateral (
    select r.report, r.finished_at
    from nightshift.runs r
    where r.job = 'health-check' and r.status in ('succeeded', 'partial') and not r.dry_run
      and not (r.report ->> 'quick')::boolean and r.input -> 'only' is null
      and r.finished_at <= last_health_levels.as_of
    order by r.started_at desc
    limit 1
  ) last on true;
$$;

comment on function nightshift.last_health_levels is
  'What the last full run found in the checks that are not quick: {name: level}, without those that were ok. A quick run counts them as they were, so that a finding of the night is not forgotten five minutes later. What that run had no time for is unknown, and all of them when there has been no full run for 26 hours.';

-- supabase/schema/health/level_rank.sql

create or replace function nightshift.level_rank(level text)
returns integer
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array_position(array['ok', 'info', 'unknown', 'warning', 'critical'], level);
end;
$$;

comment on function nightshift.level_rank is 'The order of levels: ok, info, unknown, warning, critical; higher is worse.';

-- supabase/schema/health/multixact_members.sql

-- Only a superuser, or who was granted pg_ls_dir, can list the files; asked for in a statement of its own, since Postgres checks
-- that right before it runs one.

create or replace function nightshift.multixact_members()
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not has_function_privilege('pg_ls_dir(text)', 'EXECUTE') then
    return null;
  end if;
  -- A page of 8 kB holds 409 groups of four, and a file 32 pages.
  return (select 52352 * count(*) from pg_ls_dir('pg_multixact/members') f(name));
end;
$$;

comment on function nightshift.multixact_members is
  'About how many members of multixacts the server keeps, by the files that hold them; null where they cannot be listed.';

-- supabase/schema/health/next_part_of_index.sql

create or replace function nightshift.next_part_of_index(index oid, out detail text, out fix text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  definition text := nightshift.index_definition(index);
  makes_unique boolean := (select x.indisunique from pg_catalog.pg_index x where x.indexrelid = index);
  constraint_definition text := (
    select pg_get_constraintdef(k.oid) from pg_catalog.pg_constraint k
    where k.conindid = next_part_of_index.index and k.contype in ('p', 'u')
  );
  lacking oid[];
  invalid oid;
  partition pg_catalog.pg_class;
  part oid;
begin
  select
    array_agg(c.oid order by c.oid) filter (where a.indexrelid is null),
    (array_agg(a.indexrelid order by a.indexrelid) filter (where not a.indisvalid))[1]
  into lacking, invalid
  from pg_catalog.pg_index x
  join pg_catalog.pg_inherits i on i.inhparent = x.indrelid and not i.inhdetachpending
  join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relkind in ('r', 'p')
  left join (
    select b.inhparent, y.* from pg_catalog.pg_inherits b join pg_catalog.pg_index y on y.indexrelid = b.inhrelid
  ) a on a.inhparent = x.indexrelid and a.indrelid = c.oid
  where x.indexrelid = next_part_of_index.index;

  if lacking is null and invalid is not null then
    detail := format('its part %s is invalid', invalid::regclass);
    fix := case (select c.relkind from pg_catalog.pg_class c where c.oid = invalid)
      when 'I' then (select p.fix from nightshift.next_part_of_index(invalid) p)
      else format('reindex index concurrently %s;', invalid::regclass)
    end;
    return;
  elsif lacking is null then
    detail := 'all its parts are there and valid, but were not when they were attached';
    -- To attach what is attached makes it look again.
    fix := (
      select format('alter index %s attach partition %s;', index::regclass, min(i.inhrelid::regclass::text))
      from pg_catalog.pg_inherits i where i.inhparent = next_part_of_index.index
    );
    return;
  end if;

  select c.* into partition from pg_catalog.pg_class c where c.oid = lacking[1];
  detail := format('not every partition has its part: %s missing, next %s', cardinality(lacking), partition.oid::regclass);
  select x.indexrelid into part
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid
  where x.indrelid = partition.oid and not c.relispartition and (x.indisvalid or c.relkind = 'I')
    and x.indisunique = makes_unique and nightshift.index_definition(x.indexrelid) = definition
    -- A part of a constraint has to be one.
    and (constraint_definition is null or exists (
      select 1 from pg_catalog.pg_constraint k
      where k.conrelid = x.indrelid and k.conindid = x.indexrelid and pg_get_constraintdef(k.oid) = constraint_definition
    ))
  order by x.indexrelid
  limit 1;
  fix := case
    when part is not null then format('alter index %s attach partition %s;', index::regclass, part::regclass)
    when constraint_definition is not null then format('alter table %s add %s;', partition.oid::regclass, constraint_definition)
    else format('create %sindex %son %s%s;',
      case when makes_unique then 'unique ' end, case when partition.relkind = 'r' then 'concurrently ' end,
      partition.oid::regclass, definition)
  end;
end;
$$;

comment on function nightshift.next_part_of_index is
  'What an invalid partitioned index lacks, and the next step that mends it: create its part on a partition, or attach one that is there.';

-- supabase/schema/health/oldest_due.sql

create or replace function nightshift.oldest_due(policy nightshift.retention_policies, as_of timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  due text := nightshift.due_by_marker(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(policy.relation, as_of) t);
  scans text[] := array[nightshift.scan_of(policy.relation)];
  scan text;
  found_at timestamptz;
  oldest timestamptz;
begin
  if left_alone <> '{}' then
    -- Each for itself: the way to the oldest row of the others would lead through all of those that are left alone.
    scans := array(
      select nightshift.scan_of(l.leaf) from nightshift.all_leaf_relations(policy.relation) l(leaf)
      where l.leaf::oid <> all(left_alone)
    );
  end if;
  foreach scan in array scans loop
    -- With a lower bound the index is read from there on, past all the rows that say "never".
    execute format(
      'select r.%1$I%2$s from %3$s r where %4$s and r.%1$I > ''-infinity'' order by r.%1$I limit 1',
      policy.marker_column,
      case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
        then '' else '::timestamp at time zone ''UTC''' end,
      scan, due
    ) into found_at;
    oldest := least(oldest, found_at);
  end loop;
  return oldest;
end;
$$;

comment on function nightshift.oldest_due is
  'The marker of the oldest due row, by the index alone, or null; rows in partitions that wait for their retirement do not count.';

-- supabase/schema/health/only_kept.sql

create or replace function nightshift.only_kept(step jsonb)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    not only_kept.step ? 'error' and (only_kept.step ->> 'rowsLeft')::bigint = 0 and (only_kept.step ->> 'rowsKept')::bigint > 0,
    false
  );
$$;

comment on function nightshift.only_kept is
  'Whether, by the report of a purge, all due rows that are still there of a table are kept as its policy says.';

-- supabase/schema/health/only_needed.sql

create or replace function nightshift.only_needed(step jsonb)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    not only_needed.step ? 'error'
      and (only_needed.step ->> 'rowsLeft')::bigint > 0
      and (only_needed.step ->> 'rowsLeft')::bigint = (only_needed.step ->> 'rowsBlocked')::bigint,
    false
  );
$$;

comment on function nightshift.only_needed is
  'Whether, by the report of a purge, all rows that it left of a table are still needed by rows that stay.';

-- supabase/schema/health/partitions_without_policy.sql

create or replace function nightshift.partitions_without_policy()
returns table (parent oid, newest oid, ends_at timestamp, days numeric, has_default boolean, is_switched_off boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
  select distinct on (t.partrelid)
    t.partrelid, c.oid, e.ends_at,
    -- Before version 17 Postgres subtracts nothing from infinity.
    case when isfinite(e.ends_at) then extract(epoch from e.ends_at - e.begins_at) / 86400 end,
    t.partdefid <> 0, p.parent is not null
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  left join nightshift.partition_policies p on p.parent::oid = t.partrelid
  join pg_catalog.pg_inherits i on i.inhparent = t.partrelid and not i.inhdetachpending
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  cross join lateral (select regexp_match(pg_get_expr(c.relpartbound, 0), '^FOR VALUES FROM \((.*)\) TO \((.*)\)$') offset 0) b(bounds)
  cross join lateral (
    select trim(both '''' from nullif(b.bounds[1], 'MINVALUE')) as begins_at, trim(both '''' from b.bounds[2]) as ends_at
  ) l
  cross join lateral (
    select
      -- Before and after these years there are dates, but no timestamps.
      case when l.begins_at !~ '^\d{4}-' then null else l.begins_at::timestamp end as begins_at,
      case when l.ends_at !~ '^\d{4}-' then 'infinity' else l.ends_at::timestamp end as ends_at
  ) e
  where t.partstrat = 'r' and t.partnatts = 1
    and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    and p.enabled is not true
    and t.partrelid in (select o from nightshift.application_tables() o)
    and b.bounds is not null
    -- A part of a partition ends where that does.
    and not exists (
      select 1
      from pg_catalog.pg_partition_ancestors(t.partrelid) f(relid)
      where f.relid <> t.partrelid and (nightshift.partition_key(f.relid)).column_name = a.attname
    )
  order by t.partrelid, e.ends_at desc;
$$;

comment on function nightshift.partitions_without_policy is
  'The tables of the application that are partitioned by range of a date or timestamp and have no enabled partition policy: their last partition, when it ends in UTC, how many days it holds, whether there is a default partition, and whether a policy is switched off. Those without any partition but the default are left out: nobody knows what is to be there.';

-- supabase/schema/health/parts_of_invalid_indexes.sql

create or replace function nightshift.parts_of_invalid_indexes()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select y.indexrelid
  from pg_catalog.pg_index x
  join pg_catalog.pg_class c on c.oid = x.indexrelid and c.relkind = 'I'
  cross join lateral pg_partition_tree(x.indrelid) t
  join pg_catalog.pg_index y on y.indrelid = t.relid and y.indexrelid <> x.indexrelid
  where not x.indisvalid and y.indisunique = x.indisunique
    and nightshift.index_definition(y.indexrelid) = nightshift.index_definition(x.indexrelid);
$$;

comment on function nightshift.parts_of_invalid_indexes is
  'The indexes of partitions that an invalid partitioned index has, or that next_part_of_index would attach to it.';

-- supabase/schema/health/purge_steps.sql

create or replace function nightshift.purge_steps(as_of timestamptz, scheduled boolean, max_runs integer)
returns table (relation text, place bigint, started_at timestamptz, step jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select s.step ->> 'relation', row_number() over (partition by s.step ->> 'relation' order by r.started_at desc),
    r.started_at, s.step
  from (
    select n.started_at, n.report
    from nightshift.runs n
    where n.job = (select j.name from nightshift.jobs j where j.policies = 'nightshift.retention_policies'::regclass)
      and n.status in ('succeeded', 'partial', 'failed', 'continued') and not n.dry_run
      and n.report is not null and n.finished_at <= purge_steps.as_of
      and (n.trigger = 'schedule' or not purge_steps.scheduled)
    order by n.started_at desc
    limit purge_steps.max_runs
  ) r
  -- Of a table that could not even be counted the report knows nothing.
  cross join lateral jsonb_path_query(r.report, '$.steps[*] ? (!(exists (@.error) && @.dueRows == 0))') s(step);
$$;

comment on function nightshift.purge_steps is
  'What the reports of the last max_runs finished real purges say of each table; place 1 is the newest. scheduled: only those that a schedule began.';

-- supabase/schema/health/read_as_caller.sql

create or replace function nightshift.read_as_caller(relation oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(distinct u.name, ', ')
  from pg_catalog.pg_depend d
  left join pg_catalog.pg_rewrite w on d.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = d.objid
  left join pg_catalog.pg_class v on v.oid = w.ev_class and v.relkind = 'v' and exists (
    select 1 from pg_options_to_table(v.reloptions) o where o.option_name = 'security_invoker' and o.option_value::boolean
  )
  cross join lateral (
    select case when v.oid is not null then format('view %s', v.oid::regclass)
      when d.classid = 'pg_catalog.pg_policy'::regclass then pg_describe_object(d.classid, d.objid, 0) end
  ) u(name)
  where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = read_as_caller.relation;
$$;

comment on function nightshift.read_as_caller is
  'The row level security policies, and the views with security_invoker, that read a relation with the rights of whoever asks, and fail for who may not; null for none. What functions read is not in the catalog.';

-- supabase/schema/health/redundant_indexes.sql

-- Why: the checks of duplicate and of unused indexes ask the same, so that together they never take away what one relies on.

create or replace function nightshift.redundant_indexes()
returns table (index oid, other oid, relation oid, same_keys boolean, key oid)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with alike as materialized (
    select a.indexrelid as index, b.indexrelid as other
    from pg_catalog.pg_index a
    join pg_catalog.pg_index b on b.indrelid = a.indrelid and b.indkey[0] = a.indkey[0] and b.indexrelid <> a.indexrelid
    where a.indrelid >= 16384::oid
      and a.indisvalid and a.indisready and a.indislive and b.indisvalid and b.indisready and b.indislive
      and a.indnkeyatts <= b.indnkeyatts
      and not a.indisexclusion
      and (
        not a.indisunique
        or (
          b.indisunique and b.indnkeyatts = a.indnkeyatts
          and b.indnullsnotdistinct = a.indnullsnotdistinct and (b.indimmediate or not a.indimmediate)
        )
      )
      and (b.indkey::smallint[])[0:a.indnkeyatts - 1] = (a.indkey::smallint[])[0:a.indnkeyatts - 1]
      -- With the operator classes the methods are the same too.
      and (b.indclass::oid[])[0:a.indnkeyatts - 1] = (a.indclass::oid[])[0:]
      and (b.indcollation::oid[])[0:a.indnkeyatts - 1] = (a.indcollation::oid[])[0:a.indnkeyatts - 1]
      and (b.indoption::smallint[])[0:a.indnkeyatts - 1] = (a.indoption::smallint[])[0:a.indnkeyatts - 1]
      and (a.indkey::smallint[])[a.indnkeyatts:] <@ b.indkey::smallint[]
  ),
  covered as materialized (
    select a.indrelid as relation, l.index, l.other, b.indnkeyatts as other_keys, a.indnkeyatts = b.indnkeyatts as same_keys,
      ac.relkind, ac.relpages, d.kept, d.key, d.other_kept, d.other_key
    from alike l
    join pg_catalog.pg_index a on a.indexrelid = l.index
    join pg_catalog.pg_index b on b.indexrelid = l.other
    join pg_catalog.pg_class ac on ac.oid = l.index
    join pg_catalog.pg_class bc on bc.oid = l.other
    join pg_catalog.pg_am m on m.oid = ac.relam
    -- Where in its statement an expression stood is of no matter; Postgres up to 16 keeps it.
    cross join lateral (
      select
        regexp_replace(a.indexprs::text, ' :location -?\d+', '', 'g'),
        regexp_replace(b.indexprs::text, ' :location -?\d+', '', 'g'),
        regexp_replace(a.indpred::text, ' :location -?\d+', '', 'g'),
        regexp_replace(b.indpred::text, ' :location -?\d+', '', 'g')
    ) e(expressions, other_expressions, predicate, other_predicate)
    cross join lateral (
      select
        a.indisprimary or a.indisreplident or l.index in (select k.conindid from pg_catalog.pg_constraint k where k.contype = 'f'),
        (select k.oid from pg_catalog.pg_constraint k where k.conrelid = a.indrelid and k.conindid = l.index and k.contype = 'u'),
        b.indisprimary or b.indisreplident or l.other in (select k.conindid from pg_catalog.pg_constraint k where k.contype = 'f'),
        (select k.oid from pg_catalog.pg_constraint k where k.conrelid = b.indrelid and k.conindid = l.other and k.contype = 'u')
    ) d(kept, key, other_kept, other_key)
    -- Parts of a partitioned index come and go with it.
    where not ac.relispartition
      -- A list of expressions begins with another when all but its closing bracket does.
      and (e.expressions is null or starts_with(e.other_expressions, left(e.expressions, -1)))
      and e.predicate is not distinct from e.other_predicate
      -- Elsewhere than in a btree, options decide what an index can answer and how well.
      and (
        m.amname = 'btree'
        or (
          ac.reloptions is not distinct from bc.reloptions
          and not exists (
            select 1 from pg_catalog.pg_attribute o
            where o.attrelid in (l.index, l.other) and o.attoptions is not null
          )
        )
      )
  ),
  redundant as (
    select c.*
    from covered c
    -- Of two that answer for each other one stays: that which more depends on, or else the older one.
    where not c.kept
      and (
        (c.other, c.index) not in (select r.index, r.other from covered r)
        or (c.other_kept, c.other_key is not null, c.index) > (c.kept, c.key is not null, c.other)
      )
  )
  select distinct on (r.index) r.index, r.other, r.relation, r.same_keys, r.key
  from redundant r
  where r.relation in (select a from nightshift.application_tables() a)
    -- The fix of an invalid index needs it.
    and r.index not in (select p from nightshift.parts_of_invalid_indexes() p)
  order by r.index,
    -- One that stays itself.
    r.other in (select e.index from redundant e), r.other_keys desc, r.other_kept desc, r.other_key is null, r.other;
$$;

comment on function nightshift.redundant_indexes is
  'Each index of the application that another of its table answers for, and that other, which is never redundant itself; key: the unique constraint it belongs to, if any. See health_duplicate_indexes.';

-- supabase/schema/health/remove_health_threshold.sql

create or replace function nightshift.remove_health_threshold(check_name text, subject text default null)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
begin
  if not exists (select 1 from nightshift.health_checks c where c.name = remove_health_threshold.check_name) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', check_name),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
  delete from nightshift.health_thresholds t
  where t.check_name = remove_health_threshold.check_name
    and t.subject is not distinct from remove_health_threshold.subject;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('No threshold was set for %s', concat_ws(' of ', subject, check_name)),
      hint = 'select * from nightshift.health_thresholds; shows those that are, to the owner of the schema.';
  end if;
  return true;
end;
$$;

comment on function nightshift.remove_health_threshold is
  'Gives a check, or one subject of it, its own thresholds back. Returns true. Errors: NS404 when none were set.';

-- supabase/schema/health/require_health_checks.sql

create or replace function nightshift.require_health_checks(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where not exists (select 1 from nightshift.health_checks c where c.name = o);
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', unknown),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
end;
$$;

comment on function nightshift.require_health_checks is 'Raises NS404, with the checks that there are, for names that are none.';

-- supabase/schema/health/require_marker_index.sql

create or replace function nightshift.require_marker_index(policy nightshift.retention_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  marker constant text := nightshift.indexed_as(policy.relation, policy.marker_column);
  tables oid[] := array(select t.relid from pg_catalog.pg_partition_tree(policy.relation) t) || policy.relation::oid;
begin
  if exists (
    select 1
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = policy.marker_column
    where c.oid = any(tables) and c.relpages > 1000 and c.relkind = 'r'
      and not exists (
        select 1
        from pg_catalog.pg_index i
        cross join lateral pg_get_indexdef(i.indexrelid, 1, false) x("column")
        where i.indrelid = c.oid and i.indisvalid
          and (i.indkey[0] = a.attnum or marker in (x."column", format('(%s)', x."column")))
          -- Partial, it serves where it is so by the marker or the flag.
          and (
            i.indpred is null
            or strpos(pg_get_expr(i.indpred, c.oid), trim(marker, '()')) > 0
            or strpos(pg_get_expr(i.indpred, c.oid), trim(nightshift.indexed_as(policy.relation, policy.flag_column), '()')) > 0
          )
      )
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s, and without one it would have to be read as a whole',
        policy.marker_column, policy.relation),
      hint = format('create index on %s (%s);', policy.relation, marker);
  end if;
end;
$$;

comment on function nightshift.require_marker_index is
  'Raises NS422 where a look for rows by their marker would read a table, or a partition, of more than 1,000 pages as a whole.';

-- supabase/schema/health/require_statistics.sql

create or replace function nightshift.require_statistics()
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

-- supabase/schema/health/run_by_hand.sql

create or replace function nightshift.run_by_hand(policies regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('-- npm run nightshift -- run %s', j.name) from nightshift.jobs j where j.policies = run_by_hand.policies;
$$;

comment on function nightshift.run_by_hand is 'How to run by hand the job that goes by a table of policies.';

-- supabase/schema/health/run_health_check.sql

-- Health checks: what each looks at, from where on that is worth a word, and who thinks otherwise.
-- Why: a check is one function and one row, declared together in a file of its own; how a value becomes a level is decided here, once.

create or replace function nightshift.run_health_check(health_check nightshift.health_checks, as_of timestamptz)
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
      'value', (select nightshift.json_number(r.value) from ranked r where r.place = 1),
      'subject', (select r.subject from ranked r where r.place = 1),
      'findingsTotal', count(*) filter (where level <> 'ok'),
      'findings', coalesce(jsonb_agg(jsonb_build_object(
        'subject', subject, 'level', level, 'value', nightshift.json_number(value), 'detail', coalesce(problem, detail), 'fix', fix,
        'info', nightshift.json_number(info), 'warning', nightshift.json_number(warning), 'critical', nightshift.json_number(critical)
      ) order by place) filter (where level <> 'ok' and place <= 20), '[]')
    )
    from ranked
    $query$,
    'health_' || health_check.name
  )
  into found_out
  using as_of, health_check.worse, health_check.name, health_check.info, health_check.warning, health_check.critical;

  -- Locks last as long as the transaction does, and a migration would wait behind them; undone, a check keeps none.
  raise exception using errcode = 'NS200';
exception
  when sqlstate 'NS200' then
    return nightshift.describe_health_check(health_check) || found_out
      || jsonb_build_object('durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 1));
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

-- supabase/schema/health/set_health_threshold.sql

create or replace function nightshift.set_health_threshold(
  check_name text,
  subject text default null,
  info numeric default null,
  warning numeric default null,
  critical numeric default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
set row_security = off
as $$
declare
  health_check nightshift.health_checks;
  given numeric[] := array_remove(array[info, warning, critical], null);
  measured nightshift.health_measure;
  others text;
  warnings text[] := '{}';
begin
  select c.* into health_check from nightshift.health_checks c where c.name = set_health_threshold.check_name;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no health check %s', check_name),
      hint = (select 'Checks are: ' || string_agg(c.name, ', ' order by c.name) || '.' from nightshift.health_checks c);
  end if;
  if given && array['NaN', 'Infinity', '-Infinity']::numeric[] then
    raise exception using
      errcode = 'NS422',
      message = 'A threshold must be a finite number',
      hint = 'Leave out the levels that are never to be reached.';
  end if;
  if given <> array(select g from unnest(given) g order by case health_check.worse when 'lower' then -g else g end) then
    raise exception using
      errcode = 'NS422',
      message = format('Of %s, %s is worse, so critical must not come before warning, nor warning before info', check_name, health_check.worse),
      hint = format('Thresholds are in %s; leave out the levels that are never to be reached.', health_check.unit);
  end if;
  if subject = '' then
    raise exception using
      errcode = 'NS422',
      message = 'A subject must not be empty',
      hint = 'Leave it out to set the thresholds of all subjects.';
  end if;
  insert into nightshift.health_thresholds as t (check_name, subject, info, warning, critical)
  values (health_check.name, set_health_threshold.subject, set_health_threshold.info, set_health_threshold.warning, set_health_threshold.critical)
  on conflict on constraint health_thresholds_check_name_subject_key
  do update set info = excluded.info, warning = excluded.warning, critical = excluded.critical;

  if subject is not null then
    begin
      execute format('select m.* from nightshift.%I(now()) m where m.subject = $1 limit 1', 'health_' || health_check.name)
      into measured using subject;
      if measured.subject is null then
        execute format('select string_agg(o.subject, '', '') from (select m.subject from nightshift.%I(now()) m order by 1 limit 5) o',
          'health_' || health_check.name)
        into others;
        warnings := warnings || format('%s has no subject %s at this moment, so this has no effect now. It has %s.',
          check_name, subject, coalesce('such as ' || others, 'none'));
      end if;
      -- As in run_health_check.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then null;
      -- What keeps the check from looking keeps nobody from setting a threshold.
      when others then
        warnings := warnings || format('%s cannot run at this moment, so whether it has a subject %s is not known: %s.',
          check_name, subject, sqlerrm);
    end;
  end if;
  -- A subject may have a budget of its own, which these replace.
  select warnings || coalesce(array_agg(format('%s was %s, and is never reached now.', l.level, l.before)), '{}') into warnings
  from (values
    ('info', health_check.info, info), ('warning', health_check.warning, warning), ('critical', health_check.critical, critical)
  ) l(level, before, after)
  where l.before is not null and l.after is null and given <> '{}';
  return jsonb_build_object(
    'check', health_check.name, 'subject', subject, 'unit', health_check.unit,
    'info', info, 'warning', warning, 'critical', critical,
    'off', given = '{}',
    'value', measured.value,
    'warnings', to_jsonb(warnings)
  );
end;
$$;

comment on function nightshift.set_health_threshold is
  'Sets the thresholds of a check, in its unit, for one subject, or for all when subject is null; a level that is left out is never reached, so with none of them it is never a finding. They go before the check''s own; those of a subject before those for all. Returns them, with off (none is left), the present value of the subject, and warnings: no subject of that name, a level that was there before. Errors: NS404 no such check, NS422 levels in the wrong order, or no numbers.';

-- supabase/schema/health/soft_delete_policies.sql

create or replace function nightshift.soft_delete_policies()
returns setof nightshift.retention_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.retention_policies p
  join pg_catalog.pg_attribute a on a.attrelid = p.relation and a.attname = p.marker_column and a.attnum > 0
  where p.enabled
    and (
      p.flag_column is not null
      -- No catalog tells an expiry from a deletion, nor a time that a trigger fills in: only the name does.
      or a.attname ~* 'delet|remov|trash|discard|archiv|destroy|eras|tombston'
        and not nightshift.is_set_by_default(p.relation, a.attname)
        -- What every row must have says "not deleted" by a time that never is.
        and (not a.attnotnull or a.atthasdef)
    );
$$;

comment on function nightshift.soft_delete_policies is
  'The enabled policies whose marker says that a row was deleted: it has a flag beside it, or it is named for that, as deleted_at or "removedOn" are, and a row can be without it. Rows of others age by when they were written, used, or will expire.';

-- supabase/schema/health/usual_partition.sql

create or replace function nightshift.usual_partition(parent regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
  select case
    when n.days >= 365 then '1 year' when n.days >= 89 then '3 months' when n.days >= 28 then '1 month'
    when n.days >= 7 then '1 week' when n.days >= 1 then '1 day' when n.days > 0 then '1 hour' else '1 month'
  end
  from (
    select max(extract(epoch from b.bounds[2]::timestamp - b.bounds[1]::timestamp) / 86400) as days
    from (
      select regexp_match(pg_get_expr(c.relpartbound, 0),
        '^FOR VALUES FROM \(''(\d{4}-[^'']*)''\) TO \(''(\d{4}-[^'']*)''\)$') as bounds
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
      where i.inhparent = usual_partition.parent
      order by c.oid desc
      limit 3
    ) b
  ) n;
$$;

comment on function nightshift.usual_partition is
  'How long the partitions of a table are that is partitioned by a date or timestamp, as every of a policy would have it: by the three made last; a month when they do not say.';

-- supabase/schema/health/views_below.sql

create or replace function nightshift.views_below(view regclass)
returns regclass[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive below(view, depth) as (
    select views_below.view::oid, 0
    union
    select r.relation::oid, b.depth + 1
    from below b
    cross join lateral nightshift.view_reads(b.view::regclass) r
    where r.kind = 'm' and b.depth < 20
  )
  select coalesce(array_agg(o.view::regclass order by o.depth desc, o.view), '{}')
  from (select b.view, max(b.depth) as depth from below b where b.depth > 0 group by b.view) o;
$$;

comment on function nightshift.views_below is
  'The materialized views that a materialized view is made from, directly or not, each after those that it reads itself.';

-- supabase/schema/ledger/begin_run.sql

create or replace function nightshift.begin_run(
  job text,
  trigger text,
  idempotency_key text default null,
  input jsonb default '{}',
  dry_run boolean default false,
  requested_by text default null,
  lease_seconds integer default 60,
  request_id uuid default gen_random_uuid(),
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
  run nightshift.runs;
  lost uuid[];
  other nightshift.runs;
  skip_reason jsonb;
begin
  if lease_seconds is null or lease_seconds < 1 then
    raise exception using
      errcode = 'NS422',
      message = 'lease_seconds must be at least 1',
      hint = 'It is how long a run may go without a heartbeat before it counts as lost; 60 by default.';
  end if;

  -- Triggers of one job line up here, so what follows sees every earlier decision.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.begin_run:' || begin_run.job, 0));

  -- Whoever repeats a call has waited for its answer, and nobody works on its run: an outage must not make it lost.
  update nightshift.runs r set heartbeat_at = as_of, lease_expires_at = as_of + r.lease
  where r.request_id = begin_run.request_id and r.status = 'running' and r.lease_expires_at <= as_of;
  lost := nightshift.mark_lost_runs(begin_run.job, as_of);

  select r.* into run from nightshift.runs r where r.request_id = begin_run.request_id;
  if found then
    return jsonb_build_object(
      'outcome', case run.status when 'running' then 'started' when 'skipped' then 'skipped' else 'duplicate' end,
      'run', nightshift.describe_run(run),
      'lost', to_jsonb(lost)
    );
  end if;
  select r.* into run from nightshift.runs r
  where r.job = begin_run.job
    and r.trigger = begin_run.trigger
    and r.idempotency_key = begin_run.idempotency_key;
  if found then
    if run.input <> coalesce(begin_run.input, '{}') then
      raise exception using
        errcode = 'NS422',
        message = 'This idempotency key was used with another input',
        detail = format('Run %s has it.', run.id),
        hint = 'Use a new key for a new request; repeat a request with the same input.';
    end if;
    return jsonb_build_object('outcome', 'duplicate', 'run', nightshift.describe_run(run), 'lost', to_jsonb(lost));
  end if;

  -- Who waits for the answer is told; nobody reads the answer to a schedule, whose run fails where alarms see it.
  if begin_run.trigger in ('cli', 'http') then
    perform nightshift.require_known_names(begin_run.job, begin_run.input);
  end if;
  perform nightshift.trim_runs(least(as_of, now()));
  perform nightshift.trim_deletion_events(least(as_of, now()));

  select r.* into other from nightshift.runs r
  where r.job = begin_run.job and r.status = 'running' and not r.dry_run and not coalesce(begin_run.dry_run, false);
  select case
    when other.id is not null then jsonb_build_object(
      'reason', 'overlap',
      'message', format('Another run of this job is under way: %s, since %s UTC.', left(other.id::text, 8),
        to_char(other.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
      'runId', other.id)
    when s.paused and not exists (select 1 from nightshift.jobs j where j.name = begin_run.job and j.runs_while_paused) then jsonb_build_object(
      'reason', 'paused',
      'message', 'Nightshift is paused' || coalesce(': ' || s.paused_reason, '') || '.')
  end into skip_reason
  from nightshift.settings s;

  insert into nightshift.runs as r (
    request_id, job, trigger, requested_by, idempotency_key, input, dry_run, status, lease,
    started_at, heartbeat_at, lease_expires_at, finished_at, report
  )
  values (
    begin_run.request_id, begin_run.job, begin_run.trigger, begin_run.requested_by,
    -- A skipped run has not done what the key asks for, so the key may ask again.
    case when skip_reason is null then begin_run.idempotency_key end,
    coalesce(begin_run.input, '{}'), coalesce(begin_run.dry_run, false),
    case when skip_reason is null then 'running' else 'skipped' end,
    make_interval(secs => lease_seconds),
    as_of, as_of, case when skip_reason is null then as_of + make_interval(secs => lease_seconds) end,
    case when skip_reason is not null then as_of end,
    skip_reason
  )
  returning r.* into run;

  return jsonb_build_object(
    'outcome', case when skip_reason is null then 'started' else 'skipped' end,
    'run', nightshift.describe_run(run),
    'lost', to_jsonb(lost)
  );
end;
$$;

comment on function nightshift.begin_run is
  'Begins a run of a job, or says why not. Returns {outcome, run, lost}: started (the caller holds the lease; pass run.id and run.fence to every write), duplicate (idempotency_key was seen; run is the earlier one), skipped (another run holds a live lease, or Nightshift is paused, which does not keep the health check; recorded). A dry run takes no lease: it waits for nobody, and nobody waits for it. A run whose lease ran out is marked lost first. request_id: chosen by the caller, so that a call whose answer was lost can be repeated and gets the same answer, also after the lease ran out. An idempotency key counts within its job and trigger; a skipped run does not use it up. lease_seconds: seconds without a heartbeat until the run counts as lost, default 60. Errors: NS422, also for a key that was used with another input; for what was asked by hand or over HTTP also what require_known_names raises, and then no run is recorded.';

-- supabase/schema/ledger/cancel_run.sql

-- Ends a run that somebody does not want any more, without making a failure of it.
-- Why: a run that holds the lease keeps every other run of its job waiting.
-- Locks: the row of the run, for which it waits until the batch under way has committed.

create or replace function nightshift.cancel_run(run_id uuid, requested_by text default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '7s'
set jit = off
as $$
declare
  requested_at constant timestamptz := clock_timestamp();
  run nightshift.runs;
begin
  update nightshift.runs r
  set
    cancel_requested_at = requested_at,
    cancel_requested_by = cancel_run.requested_by,
    -- Nobody works on a run that waits to be continued, so nobody else would end it.
    status = case r.status when 'continued' then 'interrupted' else r.status end,
    error = case r.status when 'continued' then nightshift.cancellation(requested_at, cancel_run.requested_by) else r.error end
  where r.id = cancel_run.run_id and r.cancel_requested_at is null
    and (r.status = 'running' or nightshift.waits_to_be_continued(r));
  select r.* into run from nightshift.runs r where r.id = cancel_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger.';
  end if;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.cancel_run is
  'Asks a run to end as interrupted: it does so before its next batch, view or partition, and what it had committed stays. One that waits to be continued ends at once, and its error says who asked. One that has ended stays as it is, also one that nothing would continue any more. requested_by: who asks, for the ledger. Returns the run. Errors: NS404.';

-- supabase/schema/ledger/cancellation.sql

create or replace function nightshift.cancellation(requested_at timestamptz, requested_by text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'code', 'NS410',
    'message', 'The run was cancelled' || coalesce(' by ' || requested_by, ''),
    'detail', format('At %s UTC.', to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
    'hint', 'What it had committed stays; the next run goes on from there.'
  );
$$;

comment on function nightshift.cancellation is
  'The error of a run that somebody cancelled: who did, when, and what became of its work.';

-- supabase/schema/ledger/check_lease.sql

create or replace function nightshift.check_lease(run_id uuid, fence bigint)
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

-- supabase/schema/ledger/code_in_context.sql

create or replace function nightshift.code_in_context(context text)
returns table (depth bigint, function regprocedure, line integer)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- The statements between the lines of a context may quote rows, so what is passed on is from the catalog.
  select distinct on (c.depth) c.depth, p.oid::regprocedure, c.parts[4]::integer
  from regexp_matches(
    code_in_context.context,
    '^PL/pgSQL function (?:("(?:[^"\n]|"")+"|[^\s."(]+)\.)?("(?:[^"\n]|"")+"|[^\s."(]+)\(([^\n]*)\) line (\d{1,9}) at',
    'gn'
  ) with ordinality c(parts, depth)
  join pg_catalog.pg_proc p on quote_ident(p.proname) = c.parts[2]
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname <> 'nightshift' and (c.parts[1] is null or quote_ident(n.nspname) = c.parts[1])
  order by c.depth, replace(oidvectortypes(p.proargtypes), ', ', ',') = c.parts[3] desc, p.oid
$$;

comment on function nightshift.code_in_context is
  'The PL/pgSQL functions of the application in a pg_exception_context, innermost first, each with the line that was executed.';

-- supabase/schema/ledger/declare_job.sql

create or replace function nightshift.declare_job(
  name text,
  policies regclass default null,
  runs_while_paused boolean default false,
  runs_kept interval default null
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.jobs (name, policies, runs_while_paused, runs_kept)
  values (name, policies, runs_while_paused, runs_kept)
  on conflict (name) do update set
    (policies, runs_while_paused, runs_kept) = (excluded.policies, excluded.runs_while_paused, excluded.runs_kept);
$$;

comment on function nightshift.declare_job is 'Writes the row of a job, anew where there is one. See nightshift.jobs for the columns.';

-- supabase/schema/ledger/declared_since.sql

create or replace function nightshift.declared_since(job nightshift.jobs)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz;
begin
  if job.policies is not null then
    execute format('select min(p.created_at) from %s p where p.enabled', job.policies) into oldest;
  end if;
  return oldest;
end;
$$;

comment on function nightshift.declared_since is 'When the oldest enabled policy of a job was declared; null when it has none.';

-- supabase/schema/ledger/describe_failure.sql

create or replace function nightshift.describe_failure(what text, state text, context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select concat_ws(', in ', format('%s with SQLSTATE %s', what, state), nightshift.place_in_code(context))
$$;

comment on function nightshift.describe_failure is
  'In words, without the message, which may quote a row: what failed, with which SQLSTATE, and where in the code of the application, given the pg_exception_context.';

-- supabase/schema/ledger/describe_installation.sql

-- What is installed here, for whoever has to find out why a deployment does not work.
-- Why: the command line can compare its own files, clock and connection with it.

create or replace function nightshift.describe_installation()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select jsonb_build_object(
    'serverVersion', current_setting('server_version'),
    'now', clock_timestamp(),
    -- The same over the API and over a direct connection, when both lead to the same database.
    'database', md5(concat_ws(' ', pg_postmaster_start_time(), (
      select d.oid from pg_catalog.pg_database d where d.datname = current_database()
    ))),
    'release', (
      select jsonb_build_object('version', m.version, 'checksum', m.checksum)
      from nightshift.migrations m
      order by string_to_array(m.version, '.')::integer[] desc
      limit 1
    ),
    'owner', current_user,
    'ownerSeesStatistics', pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
    'otherOwners', nightshift.other_owners(),
    'statementTimeouts', (
      select jsonb_object_agg(r.rolname, (
        select split_part(c, '=', 2)
        from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
        where s.setrole = r.oid and c like 'statement\_timeout=%'
          and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
        -- What is set for this database goes before what is set for all.
        order by s.setdatabase desc
        limit 1
      ))
      from pg_catalog.pg_roles r
      where r.rolname in ('service_role', 'authenticator')
    ),
    'paused', (
      select jsonb_build_object('since', s.paused_at, 'reason', s.paused_reason) from nightshift.settings s where s.paused
    ),
    'policies', jsonb_build_object(
      'retention', (select count(*) from nightshift.retention_policies),
      'refresh', (select count(*) from nightshift.refresh_policies),
      'partition', (select count(*) from nightshift.partition_policies)
    )
  );
$$;

comment on function nightshift.describe_installation is
  'What is installed: serverVersion, now (the clock of the server), database (the same for every way into it), release ({version, checksum} of the newest that was applied, from nightshift.migrations; null when none was applied to its end), owner of the functions, ownerSeesStatistics, otherOwners (see other_owners), statementTimeouts of service_role and authenticator (null: none of their own), paused ({since, reason}, or null), policies (how many of each kind).';

-- supabase/schema/ledger/describe_jobs.sql

create or replace function nightshift.describe_jobs(as_of timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'job', j.job,
    'declaredAt', j.declared_at,
    'lastRun', (select nightshift.describe_run(r) from nightshift.runs r where r.id = j.last_run) - 'report' - 'progress',
    'lastSuccessAt', j.last_success_at,
    'secondsSinceLastSuccess', extract(epoch from describe_jobs.as_of - coalesce(j.last_success_at, j.declared_at))::bigint,
    'failedInRow', j.failed_in_row,
    'partialInRow', j.partial_in_row,
    'lostInRow', j.lost_in_row,
    'usualDurationMs', round(j.usual_duration_ms),
    'lastAside', (
      select nightshift.describe_run(r) || '{"report": null}' from nightshift.runs r
      where r.job = j.job and (r.dry_run or r.input ? 'only') and r.status <> 'skipped' and r.started_at <= describe_jobs.as_of
      order by r.started_at desc
      limit 1
    ),
    'underWay', (
      select coalesce(jsonb_agg(nightshift.describe_run(r) order by r.started_at), '[]') from nightshift.runs r
      where r.job = j.job and r.status = 'running' and r.lease_expires_at > describe_jobs.as_of
    )
  ) order by j.job), '[]')
  from nightshift.job_states(describe_jobs.as_of) j;
$$;

comment on function nightshift.describe_jobs is
  'What the ledger says of each job, see job_states, as one JSON array: job, declaredAt (its oldest policy; null: it has none), lastRun, lastSuccessAt, secondsSinceLastSuccess (before the first: since declaredAt), failedInRow, partialInRow, lostInRow, usualDurationMs, lastAside (the last run that was dry or of a few subjects, of which the rest says nothing), underWay (what holds a lease now); null where there is nothing to say.';

-- supabase/schema/ledger/describe_run.sql

create or replace function nightshift.describe_run(run nightshift.runs)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', run.id,
    'job', run.job,
    'trigger', run.trigger,
    'requestedBy', run.requested_by,
    'input', run.input,
    'dryRun', run.dry_run,
    'status', run.status,
    'attempt', run.attempt,
    'fence', run.fence,
    'startedAt', run.started_at,
    'heartbeatAt', run.heartbeat_at,
    'finishedAt', run.finished_at,
    'cancelRequestedAt', run.cancel_requested_at,
    'cancelRequestedBy', run.cancel_requested_by,
    'progress', run.progress,
    'report', run.report,
    'error', run.error
  );
$$;

comment on function nightshift.describe_run is 'The JSON document of a run, as the functions of the ledger return it.';

-- supabase/schema/ledger/extend_lease.sql

create or replace function nightshift.extend_lease(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  run nightshift.runs;
begin
  update nightshift.runs r
  set heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + r.lease
  where r.id = extend_lease.run_id and r.fence = extend_lease.fence and r.status = 'running'
  returning r.* into run;
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

comment on function nightshift.extend_lease is
  'The fence: extends the lease and locks the run until the transaction ends, or refuses with NS409. For what a run may do even when it has to end: what it works with calls hold_run.';

-- supabase/schema/ledger/find_run.sql

create or replace function nightshift.find_run(id text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  digits constant text := replace(lower(find_run.id), '-', '');
  found_runs nightshift.runs[];
begin
  if digits ~ '^[0-9a-f]{4,32}$' then
    found_runs := array(
      select r from nightshift.runs r
      where r.id between rpad(digits, 32, '0')::uuid and rpad(digits, 32, 'f')::uuid
      limit 2
    );
  end if;
  if coalesce(cardinality(found_runs), 0) = 0 then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', find_run.id),
      detail = 'It may have been trimmed from the ledger.',
      hint = 'The id of a run, or the beginning of one, of four characters and more.';
  end if;
  if cardinality(found_runs) > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('The ids of several runs begin with %s', find_run.id),
      hint = 'Write more of it.';
  end if;
  return nightshift.describe_run(found_runs[1]);
end;
$$;

comment on function nightshift.find_run is
  'The JSON document of the one run whose id begins so. id: four to all characters of it. Errors: NS404, NS422 when there are several.';

-- supabase/schema/ledger/finish_run.sql

create or replace function nightshift.finish_run(
  run_id uuid,
  fence bigint,
  status text,
  report jsonb default null,
  error jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
  cancelled boolean;
begin
  if finish_run.status is null or finish_run.status not in ('continued', 'interrupted', 'succeeded', 'partial', 'failed') then
    raise exception using
      errcode = 'NS422',
      message = format('A run cannot finish as %L', finish_run.status),
      hint = 'Use continued, interrupted, succeeded, partial or failed.';
  end if;
  select r.* into run from nightshift.runs r
  where r.id = finish_run.run_id and r.fence = finish_run.fence
    and r.status in (finish_run.status, case finish_run.status when 'continued' then 'interrupted' end);
  if found then
    return nightshift.describe_run(run);
  end if;
  run := nightshift.extend_lease(run_id, fence);
  -- Cancelled when its last batch had begun, it would be continued all the same.
  cancelled := finish_run.status = 'continued' and run.cancel_requested_at is not null;
  update nightshift.runs r
  set
    status = case when cancelled then 'interrupted' else finish_run.status end,
    report = finish_run.report,
    error = case when cancelled then nightshift.cancellation(run.cancel_requested_at, run.cancel_requested_by) else finish_run.error end,
    finished_at = clock_timestamp(),
    lease_expires_at = null
  where r.id = finish_run.run_id
  returning r.* into run;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.finish_run is
  'Ends a run as continued (interrupted, when it was cancelled), interrupted, succeeded, partial or failed, with its report, and gives up the lease. Repeating the call changes nothing. Errors: NS409 lease lost, NS422 unknown status.';

-- supabase/schema/ledger/get_run.sql

create or replace function nightshift.get_run(run_id uuid)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
begin
  select r.* into run from nightshift.runs r where r.id = get_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger.';
  end if;
  return nightshift.describe_run(run);
end;
$$;

comment on function nightshift.get_run is 'The JSON document of one run. Errors: NS404.';

-- supabase/schema/ledger/heartbeat_run.sql

create or replace function nightshift.heartbeat_run(run_id uuid, fence bigint)
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select nightshift.describe_run(nightshift.extend_lease(heartbeat_run.run_id, heartbeat_run.fence));
$$;

comment on function nightshift.heartbeat_run is
  'Extends the lease of a run and returns the run, also of one that has to end. Errors: NS409 when the lease is lost.';

-- supabase/schema/ledger/hold_run.sql

create or replace function nightshift.hold_run(run_id uuid, fence bigint)
returns nightshift.runs
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
begin
  perform nightshift.require_wanted(run);
  return run;
end;
$$;

comment on function nightshift.hold_run is
  'The fence: extends the lease and locks the run until the transaction ends, or refuses with NS409; with NS410 when the run was cancelled or Nightshift paused. Every write of a run calls it first, so no write can outlive its lease, and none comes after a cancel or a pause.';

-- supabase/schema/ledger/job_states.sql

-- What the ledger says of each job: when it last did its work, and what has gone wrong since.
-- Why: the command line, the health checks and the metrics all answer "is it running?" from the same place.
-- Locks: nightshift.runs against writes, while an index of it is built.

create or replace function nightshift.job_states(as_of timestamptz)
returns setof nightshift.job_state
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with declared as (
    select j.name as job, nightshift.declared_since(j) as at from nightshift.jobs j
  ),
  names as (
    select d.job, d.at from declared d
    union all
    (select distinct r.job, null::timestamptz from nightshift.runs r where r.job not in (select d.job from declared d))
  )
  select n.job, n.at, latest.id, success.at,
    since.failed, since.partial, since.lost, usual.duration_ms
  from names n
  left join lateral (
    select r.id from nightshift.runs r
    where r.job = n.job and r.status <> 'skipped' and not r.dry_run and not r.input ? 'only' and r.started_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) latest on true
  -- A run that left something over has done its work as far as could be; partial_in_row speaks of what it left.
  left join lateral (
    select r.finished_at as at, r.started_at from nightshift.runs r
    where r.job = n.job and r.status in ('succeeded', 'partial', 'continued') and not r.dry_run and not r.input ? 'only'
      and r.finished_at <= job_states.as_of
    order by r.started_at desc limit 1
  ) success on true
  left join lateral (
    select
      count(*) filter (where r.status = 'failed' and r.started_at > coalesce(success.started_at, '-infinity'))::integer as failed,
      count(*) filter (
        where (r.status = 'lost' or (r.status = 'running' and r.lease_expires_at <= job_states.as_of))
          and r.started_at > coalesce(success.started_at, '-infinity')
      )::integer as lost,
      count(*) filter (where r.status in ('partial', 'continued'))::integer as partial
    from nightshift.runs r
    where r.job = n.job and not r.dry_run and not r.input ? 'only' and r.started_at <= job_states.as_of
      and r.started_at > coalesce((
        select w.started_at from nightshift.runs w
        where w.job = n.job and w.status = 'succeeded' and not w.dry_run and not w.input ? 'only' and w.started_at <= job_states.as_of
        order by w.started_at desc limit 1
      ), '-infinity')
  ) since on true
  left join lateral (
    select percentile_cont(0.5) within group (order by extract(epoch from l.finished_at - l.started_at)::numeric * 1000) as duration_ms
    from (
      select r.started_at, r.finished_at from nightshift.runs r
      where r.job = n.job and r.status in ('succeeded', 'partial') and r.attempt = 1 and not r.dry_run and not r.input ? 'only' and r.id <> latest.id
      order by r.started_at desc limit 20
    ) l
  ) usual on true;
$$;

comment on function nightshift.job_states is
  'One row a job: those of nightshift.jobs, and any other in the ledger. last_success_at: the end of the last run that did its work as far as it could (succeeded, partial, continued). failed_in_row and lost_in_row (also a run whose lease has run out): since then. partial_in_row: since the last that succeeded. usual_duration_ms: the median of the 20 runs before the last. Dry runs do not count, nor runs of a few subjects (only): they say nothing of the rest.';

-- supabase/schema/ledger/keep_time.sql

-- The times of a run are those of the database's clock, for whoever is neither the owner nor service_role.
-- Why: begin_run and resume_run take as_of and lease_seconds. No argument makes a row or a partition due early, but a run
--      that began in the future would hold its lease for years after the token that began it was taken back.
-- Locks: SHARE ROW EXCLUSIVE on nightshift.runs for a moment.

create or replace function nightshift.keep_time()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  longest_lease constant interval := '15 minutes';
begin
  if caller = 'service_role' or pg_has_role(caller, (
    select n.nspowner from pg_catalog.pg_namespace n where n.nspname = 'nightshift'
  ), 'usage') then
    return new;
  end if;
  if new.lease > longest_lease
    -- A clock may be set back by a little between two calls.
    or greatest(new.started_at, new.heartbeat_at, new.finished_at) > clock_timestamp() + interval '1 minute'
    or (tg_op = 'INSERT' and new.started_at < now())
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s cannot set the time of a run, nor a lease of more than %s', caller, longest_lease),
      hint = 'Leave as_of and lease_seconds out.';
  end if;
  return new;
end;
$$;

comment on function nightshift.keep_time is
  'Trigger of nightshift.runs: refuses times that are not those of the clock, and leases of more than 15 minutes, from callers who are neither the owner of the schema nor service_role. Errors: NS422.';

create or replace trigger keep_time before insert or update of status on nightshift.runs
for each row execute function nightshift.keep_time();

-- supabase/schema/ledger/list_runs.sql

create or replace function nightshift.list_runs(job text default null, max_runs integer default 20)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(nightshift.describe_run(r) order by r.started_at desc), '[]')
  from (
    select r.*
    from nightshift.runs r
    where r.job = list_runs.job
      or (list_runs.job is null and not (r.job = 'health-check' and r.status = 'succeeded' and r.input @> '{"quick": true}'))
    order by r.started_at desc
    limit least(greatest(list_runs.max_runs, 1), 1000)
  ) r;
$$;

comment on function nightshift.list_runs is
  'The newest runs first, as one JSON document; of one job when job is given, else without the quick health checks that succeeded, of which there are hundreds a day. max_runs: 1 to 1000, default 20.';

-- supabase/schema/ledger/mark_lost_runs.sql

create or replace function nightshift.mark_lost_runs(job text, as_of timestamptz)
returns uuid[]
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with lost as (
    update nightshift.runs r
    set
      status = 'lost',
      finished_at = mark_lost_runs.as_of,
      error = jsonb_build_object(
        'code', 'NS409',
        'message', 'The lease ran out without a heartbeat: the function died or was frozen.',
        'hint', 'What it had done is in progress; the next run goes on from there. Look for its last log lines.'
      )
    where r.job = mark_lost_runs.job
      and r.status = 'running'
      and r.lease_expires_at <= mark_lost_runs.as_of
    returning r.id
  )
  select coalesce(array_agg(lost.id), '{}') from lost;
$$;

comment on function nightshift.mark_lost_runs is
  'Marks the running run of a job as lost when its lease has run out, and returns its id. A crash counts without anyone reporting it.';

-- supabase/schema/ledger/pause.sql

create or replace function nightshift.pause(reason text default null)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.settings s
  set paused = true, paused_reason = pause.reason, paused_at = now()
  where s.singleton;
$$;

comment on function nightshift.pause is
  'Stops every job: a run that would begin is skipped, and one under way ends as interrupted before its next batch, view or partition. Idempotent.';

-- supabase/schema/ledger/place_in_code.sql

create or replace function nightshift.place_in_code(context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('line %s of %s', c.line, c.function) from nightshift.code_in_context(context) c order by c.depth limit 1
$$;

comment on function nightshift.place_in_code is
  'Where in the code of the application an error was raised, given its pg_exception_context: line 12 of app.guard(). Null when it was not in PL/pgSQL.';

-- supabase/schema/ledger/raise_conflict.sql

-- PostgREST up to v14 begins a transaction that ends in 40001 again, without limit and without anybody waiting for it any more.
-- So whatever is called over the API, and runs statements on tables of the application, hands such an error to this function.

create or replace function nightshift.raise_conflict(context text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'NS425',
    message = 'Another transaction was in the way, or code of the application says so (SQLSTATE 40001)',
    detail = concat_ws(' ', 'Raised in ' || nightshift.place_in_code(context) || '.', 'Nothing was changed.'),
    hint = 'Repeat the call. If it never succeeds, a trigger or function of the application raises 40001, which says that a second try may succeed: let it raise another code.';
end;
$$;

comment on function nightshift.raise_conflict is
  'Raises NS425 in the place of SQLSTATE 40001, given its pg_exception_context.';

-- supabase/schema/ledger/require_known_names.sql

-- Whether what somebody asks for is there, before a run of it begins.
-- Why: a misspelt table is a slip of whoever waits for the answer, not a failure of the night that has to be looked into.
-- Locks: none.

create or replace function nightshift.require_known_names(job text, input jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant text[] := array(
    select jsonb_array_elements_text(n.names)
    from unnest(array[input -> 'only', input -> 'force']) n(names)
    where jsonb_typeof(n.names) = 'array'
  );
begin
  case job
    when 'retention-purge' then
      perform nightshift.follow_tables();
      perform nightshift.require_retention_policies(wanted);
    when 'view-refresh' then
      perform nightshift.require_refresh_policies(wanted);
    when 'partition-maintenance' then
      perform nightshift.require_partition_policies(wanted);
    when 'health-check' then
      perform nightshift.require_health_checks(wanted);
    else
      -- The ledger takes any job.
  end case;
end;
$$;

comment on function nightshift.require_known_names is
  'Raises NS404, with what there is, for a table, a view or a check that the input of a run names and that the job does not know; NS422 for a view whose policy is switched off.';

-- supabase/schema/ledger/require_wanted.sql

create or replace function nightshift.require_wanted(run nightshift.runs)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  cancellation jsonb;
  paused_because text;
begin
  if run.cancel_requested_at is not null then
    cancellation := nightshift.cancellation(run.cancel_requested_at, run.cancel_requested_by);
    raise exception using
      errcode = cancellation ->> 'code',
      message = cancellation ->> 'message',
      detail = cancellation ->> 'detail',
      hint = cancellation ->> 'hint';
  end if;
  select coalesce(': ' || s.paused_reason, '') into paused_because
  from nightshift.settings s
  where s.paused
    and not exists (select 1 from nightshift.jobs j where j.name = run.job and j.runs_while_paused);
  if found then
    raise exception using
      errcode = 'NS410',
      message = 'Nightshift was paused' || paused_because,
      hint = 'What the run had committed stays. select nightshift.unpause(); lets the next run go on from there.';
  end if;
end;
$$;

comment on function nightshift.require_wanted is
  'Raises NS410 when a run has to end: it was cancelled, or Nightshift is paused.';

-- supabase/schema/ledger/resume_run.sql

create or replace function nightshift.resume_run(
  run_id uuid,
  attempt integer,
  request_id uuid default gen_random_uuid(),
  as_of timestamptz default now()
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
as $$
declare
  run nightshift.runs;
  lost uuid[];
begin
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('There is no run %s', run_id),
      hint = 'It may have been trimmed from the ledger; start a new run instead.';
  end if;

  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('nightshift.begin_run:' || run.job, 0));
  -- Whoever repeats a call has waited for its answer, and nobody works on its run: an outage must not make it lost.
  update nightshift.runs r set heartbeat_at = as_of, lease_expires_at = as_of + r.lease
  where r.request_id = resume_run.request_id and r.status = 'running' and r.lease_expires_at <= as_of;
  lost := nightshift.mark_lost_runs(run.job, as_of);

  update nightshift.runs r
  set
    status = 'running',
    attempt = r.attempt + 1,
    request_id = resume_run.request_id,
    fence = nextval('nightshift.fences'),
    heartbeat_at = as_of,
    lease_expires_at = as_of + r.lease,
    finished_at = null
  where r.id = resume_run.run_id
    and r.attempt = resume_run.attempt
    and nightshift.waits_to_be_continued(r)
    and (r.dry_run or not exists (select 1 from nightshift.runs o where o.job = r.job and o.status = 'running' and not o.dry_run))
    and not (select s.paused from nightshift.settings s)
  returning r.* into run;

  if found then
    return jsonb_build_object('outcome', 'started', 'run', nightshift.describe_run(run), 'lost', to_jsonb(lost));
  end if;
  select r.* into run from nightshift.runs r where r.id = resume_run.run_id;
  return jsonb_build_object(
    'outcome', case
      when run.status = 'running' and run.request_id = resume_run.request_id then 'started'
      when run.status = 'continued' and run.attempt = resume_run.attempt then 'skipped'
      else 'duplicate'
    end,
    'run', nightshift.describe_run(run),
    'lost', to_jsonb(lost)
  );
end;
$$;

comment on function nightshift.resume_run is
  'Resumes a run that ended as continued, under a new fence. attempt is the attempt that asked to be continued: the same request a second time, or out of order, is a duplicate; the same request_id is the same call, whose answer was lost, and gets it also after the lease ran out. Skipped also when the attempt ended more than six hours ago, or was the fortieth. Returns {outcome: started | duplicate | skipped, run, lost}. Errors: NS404.';

-- supabase/schema/ledger/trim_runs.sql

create or replace function nightshift.trim_runs(as_of timestamptz default now())
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with trimmed as (
    delete from nightshift.runs r
    where r.id in (
      select old.id
      from nightshift.runs old
      cross join nightshift.settings s
      left join nightshift.jobs j on j.name = old.job
      -- least passes over null.
      where old.finished_at < trim_runs.as_of - least(s.ledger_retention, j.runs_kept)
      order by old.finished_at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
$$;

comment on function nightshift.trim_runs is
  'Deletes at most 1,000 finished runs older than settings.ledger_retention (default 90 days), or than what nightshift.jobs says of their job (health-check: 7 days); returns how many. begin_run calls it.';

-- supabase/schema/ledger/unpause.sql

create or replace function nightshift.unpause()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  update nightshift.settings s
  set paused = false, paused_reason = null, paused_at = null
  where s.singleton;
$$;

comment on function nightshift.unpause is 'Lets jobs run again after nightshift.pause(). Idempotent.';

-- supabase/schema/ledger/waits_to_be_continued.sql

create or replace function nightshift.waits_to_be_continued(run nightshift.runs)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select run.status = 'continued' and run.attempt < 40 and run.finished_at > now() - interval '6 hours';
$$;

comment on function nightshift.waits_to_be_continued is
  'Whether an event may still resume a run: its last attempt, which was not the fortieth, ended with work left in the last six hours.';

-- supabase/schema/partition/add_partition_policy.sql

create or replace function nightshift.add_partition_policy(
  parent regclass,
  every interval,
  premake integer default 4,
  retention interval default null,
  retire text default 'detach',
  grace interval default '7 days',
  max_fraction numeric default 0.5,
  partition_schema name default null,
  epoch text default null,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.partition_policies;
  wrong_unit text;
begin
  policy.parent := add_partition_policy.parent;
  policy.parent_name := add_partition_policy.parent::text;
  -- '24 hours' is a day in UTC.
  policy.every := nightshift.in_days(every);
  policy.premake := add_partition_policy.premake;
  policy.retention := add_partition_policy.retention;
  policy.retire := coalesce(add_partition_policy.retire, 'detach');
  policy.grace := coalesce(add_partition_policy.grace, '7 days');
  policy.max_fraction := add_partition_policy.max_fraction;
  policy.partition_schema := add_partition_policy.partition_schema;
  policy.epoch := add_partition_policy.epoch;
  policy.enabled := coalesce(add_partition_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_ownership(policy.parent, 'partitions');

  insert into nightshift.partition_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a partition policy already', policy.parent),
      hint = 'Change it with nightshift.alter_partition_policy, or remove it first with nightshift.remove_partition_policy.';
  end if;
  select format('as %s, %s ends in the year %s', policy.epoch, r.partition::regclass,
      case when isfinite(r.upper) then extract(year from r.upper)::text else '10000 or later' end)
  into wrong_unit
  from nightshift.read_partitions(array[policy.parent::oid]) r
  where policy.epoch is not null and r.to_bound <> 'MAXVALUE'
    and (not isfinite(r.upper) or r.upper > '1970-01-01' and r.upper < '1971-01-01')
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('The bounds of %s do not look like %s since 1970: %s', policy.parent, policy.epoch, wrong_unit),
      hint = format('Is it epoch => ''%s''?', case policy.epoch when 'seconds' then 'milliseconds' else 'seconds' end);
  end if;
  return (select s.document from nightshift.describe_partition_sets(array[policy.parent::oid]) s);
end;
$$;

comment on function nightshift.add_partition_policy is
  'Declares that Nightshift makes and retires the partitions of a table that is partitioned by range of a date, timestamp (read as UTC), timestamptz, uuid of version 7, or bigint (epoch: seconds or milliseconds since 1970). The caller must own the table. Partitions that are there stay as they are. every: the length of a partition: hours that divide a day, whole days, or months that divide a year, at most 5 years; bounds are in UTC. premake: how many there are after the present one, default 4, at most 100. retention: a partition that ended this long ago is retired; null, the default, keeps all. retire: detach (keep it as a table of its own, the default) or drop (when grace, default 7 days, at least 1, is over). max_fraction: a run refuses to retire more than this share of the partitions that have begun, default 0.5. partition_schema: where new ones are made, default the schema of the table. Nothing is made until the next run, or nightshift.create_missing_partitions. Returns the policy, the state of the table and warnings. Errors: NS404, NS422, each with a hint that says the fix.';

-- supabase/schema/partition/alter_partition_policy.sql

create or replace function nightshift.alter_partition_policy(
  parent regclass,
  every interval default null,
  premake integer default null,
  retention interval default null,
  retire text default null,
  grace interval default null,
  max_fraction numeric default null,
  partition_schema name default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.partition_policies;
  context text;
begin
  update nightshift.partition_policies p
  set
    every = coalesce(nightshift.in_days(alter_partition_policy.every), p.every),
    premake = coalesce(alter_partition_policy.premake, p.premake),
    retention = coalesce(alter_partition_policy.retention, p.retention),
    retire = coalesce(alter_partition_policy.retire, p.retire),
    grace = coalesce(alter_partition_policy.grace, p.grace),
    max_fraction = coalesce(alter_partition_policy.max_fraction, p.max_fraction),
    partition_schema = coalesce(alter_partition_policy.partition_schema, p.partition_schema),
    enabled = coalesce(alter_partition_policy.enabled, p.enabled)
  where p.parent = alter_partition_policy.parent
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_ownership(policy.parent, 'partitions');
  if not policy.enabled then
    perform nightshift.drop_exclusion(policy.parent);
  end if;
  if retention is not null then
    update nightshift.retired_partitions d
    set status = 'released'
    where d.parent = alter_partition_policy.parent and d.status = 'reattached';
  end if;
  return (select s.document from nightshift.describe_partition_sets(array[policy.parent::oid]) s);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.alter_partition_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_partition_policy does, and returns the policy. Another every holds for new partitions. A retention, even the same, makes partitions that were attached again by hand due again. To keep all from now on, remove the policy and add it without retention. Errors: NS404, NS422.';

-- supabase/schema/partition/assess_partitions.sql

-- The state of partitioned tables: what is missing, what is due, what is wrong.
-- Why: one look at the catalogs for all tables, so that a night on which nothing is due costs next to nothing. Postgres
--      expects far more rows than there are, and would compile the queries (jit) for longer than they run.
-- Locks: none on those of the application.

create or replace function nightshift.assess_partitions(parents oid[], as_of timestamptz default now())
returns setof nightshift.partition_state
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  with part as materialized (
    select r.* from nightshift.read_partitions(assess_partitions.parents) r
  ),
  clock as (
    select
      p.parent, p.every, p.retention,
      assess_partitions.as_of at time zone 'UTC' as now,
      nightshift.interval_start(p.every, assess_partitions.as_of at time zone 'UTC') as begun,
      -- No caller can make a partition due before its time.
      least(assess_partitions.as_of, now()) at time zone 'UTC' - p.retention as cutoff,
      p.premake
    from nightshift.partition_policies p
    where p.parent::oid = any(assess_partitions.parents)
  ),
  -- Many partitions have the same few bounds.
  on_grid as materialized (
    select b.every, b.lower
    from (select distinct c.every, r.lower from part r join clock c on c.parent::oid = r.parent where isfinite(r.lower) offset 0) b
    where b.lower = nightshift.interval_start(b.every, b.lower)
  ),
  span as (
    select
      r.parent,
      coalesce(range_agg(tsrange(r.lower, r.upper)) filter (where not r.is_default), '{}') as held,
      min(case when isfinite(r.lower) then r.lower else r.upper end) as first,
      max(r.partition) filter (where r.is_default) as default_partition,
      (array_agg(r.partition order by r.upper desc) filter (where not r.is_default))[1] as newest,
      count(*) filter (where not r.is_default) as partitions,
      count(*) filter (where r.lower <= c.now) as begun_partitions,
      array_agg(r.partition) filter (where r.pending) as pending,
      array_agg(r.partition order by r.lower) filter (
        where not r.is_default and (g.lower is null or r.upper <> r.lower + c.every)
      ) as odd,
      array_agg(r.partition order by r.upper) filter (where r.upper <= c.cutoff and not r.pending) as past
    from part r
    join clock c on c.parent::oid = r.parent
    left join on_grid g on g.every = c.every and g.lower = r.lower
    group by r.parent
  ),
  detached as (
    select d.parent::oid as parent, range_agg(d.period) as held
    from nightshift.retired_partitions d
    join pg_catalog.pg_class c on c.oid = d.partition and not c.relispartition
    where d.status in ('detaching', 'detached')
    group by d.parent
  ),
  window_of as (
    select
      c.parent,
      s.first,
      -- What would be due at once is not made, nor more than 1,000 partitions back.
      greatest(
        least(s.first, c.begun),
        nightshift.interval_start(c.every, c.cutoff),
        c.begun - 1000 * c.every
      ) as lower,
      c.begun + (c.premake + 1) * c.every as upper
    from clock c
    left join span s on s.parent = c.parent::oid
  ),
  kept as (
    select p.parent, array_agg(p.partition) as partitions
    from (select s.parent, unnest(s.past) as partition from span s) p
    where exists (
      select 1 from nightshift.retired_partitions d
      where d.partition::oid = p.partition and d.status in ('detached', 'reattached')
    )
    group by p.parent
  )
  select
    c.parent::oid, k.column_name, k.type, c.begun, c.cutoff,
    coalesce(s.held, '{}'),
    -- Nor what an odd bound cuts off the interval of the cutoff: it would be due at once as well.
    (
      select coalesce(range_agg(m.period), '{}')
      from unnest(tsmultirange(tsrange(w.lower, w.upper)) - coalesce(s.held, '{}') - coalesce(d.held, '{}')) m(period)
      where (upper(m.period) <= c.cutoff) is not true
    ),
    tsmultirange(tsrange(least(w.first, w.lower), w.lower)) - coalesce(s.held, '{}') - coalesce(d.held, '{}'),
    coalesce(d.held, '{}'),
    (select upper(h.period) from unnest(s.held) h(period) where h.period @> c.now),
    s.default_partition, s.newest, coalesce(s.newest = any(s.past), false), coalesce(s.partitions, 0)::integer, coalesce(s.begun_partitions, 0)::integer,
    array(
      select p.partition
      from unnest(s.past) with ordinality p(partition, position)
      join pg_catalog.pg_class r on r.oid = p.partition and r.relkind = 'r'
      where p.partition <> s.newest and p.partition <> all(coalesce(o.partitions, '{}'))
      order by p.position
    ),
    coalesce(o.partitions, '{}'), coalesce(s.odd, '{}'), coalesce(s.pending, '{}')
  from clock c
  join window_of w on w.parent = c.parent
  left join (
    select t.partrelid, a.attname as column_name, a.atttypid::regtype as type
    from pg_catalog.pg_partitioned_table t
    join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
    where t.partstrat = 'r' and t.partnatts = 1
  ) k on k.partrelid = c.parent
  left join span s on s.parent = c.parent::oid
  left join detached d on d.parent = c.parent::oid
  left join kept o on o.parent = c.parent::oid;
end;
$$;

comment on function nightshift.assess_partitions is
  'For tables with a policy, all times in UTC: what their partitions hold (held), what there ought to be up to the horizon and is not (missing: the present interval, premake more, and the gaps since the first partition that is not due; without what a retired partition holds, that could come back), gaps that are left (left_out: due at once, or more than 1,000 intervals back), what the detached ones held that are still there (detached), until when there is a partition without a gap (horizon; null when now has none), partitions to be retired (due: they ended before cutoff; never the newest), those due but attached again by hand (kept), off the grid of the policy (odd), or half detached (pending). Without a key the table is no longer what the policy was made for.';

-- supabase/schema/partition/begin_detach.sql

-- Retirement over the direct connection: DETACH ... CONCURRENTLY, between an intention and a stamp that are written down.
-- Why: it cannot run in a transaction, and a function may die before, in and after it.
-- Locks: ACCESS EXCLUSIVE on a partition that is half detached.

create or replace function nightshift.begin_detach(run_id uuid, fence bigint, table_name text, lock_timeout_ms integer default 1000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state nightshift.partition_state;
  due oid;
  reason text;
  held jsonb;
  holder jsonb;
  blocked jsonb := '[]';
  context text;
begin
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  perform nightshift.require_few_due(policy, state, run);
  -- No lock is held between this look and the deed, in which Postgres reads whatever refers to the table by then.
  if nightshift.can_be_referenced(policy.parent) then
    return '{"outcome": "lock"}';
  end if;
  foreach due in array state.due loop
    reason := nightshift.why_not_retire(policy, due);
    if reason is not null then
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
      continue;
    end if;
    -- Postgres waits for these before it is done, and gives up with the partition half detached.
    held := nightshift.lock_holder(array[policy.parent, due::regclass], '{access exclusive, access exclusive}',
      10 * make_interval(secs => lock_timeout_ms / 1000.0));
    holder := coalesce(holder, held);
    if held is null then
      perform nightshift.note_detaching(policy, due, run.id);
      return jsonb_build_object(
        'outcome', 'ready',
        'partition', due::regclass::text,
        'statement', format('alter table %s detach partition %s concurrently',
          nightshift.trusted_name(policy.parent), nightshift.trusted_name(due))
      );
    end if;
  end loop;
  return jsonb_build_object('outcome', case when holder is null then 'done' else 'busy' end, 'holder', holder, 'blocked', blocked);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.begin_detach is
  'Prepares to detach the next due partition of a table without blocking anyone: writes the intention down and returns {outcome: ready, partition, statement}, for the direct connection to execute outside of a transaction; finish_detach follows, now or in a later run. When none is left, {outcome: done, blocked: [{partition, reason}]}; {outcome: busy, holder (see lock_holder), blocked} when someone reads what is left in a transaction older than ten times lock_timeout_ms, 1 to 5000, default 1000. {outcome: lock}: only retire_partitions can do it safely, since someone else could make a foreign key to the table meanwhile. Errors: as retire_partitions.';

-- supabase/schema/partition/bound_of_time.sql

-- plpgsql, because it is called for each of a thousand bounds: an SQL function would be planned in each call.

create or replace function nightshift.bound_of_time(at timestamp, type regtype, epoch text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Before the year 1 to_char leaves out that it is BC.
  bounded constant timestamp := greatest(at, '0001-01-01');
begin
  return quote_literal(case bound_of_time.type
    when 'date'::regtype then to_char(bounded, 'YYYY-MM-DD')
    when 'timestamp'::regtype then to_char(bounded, 'YYYY-MM-DD HH24:MI:SS.US')
    when 'timestamptz'::regtype then to_char(bounded, 'YYYY-MM-DD HH24:MI:SS.US+00')
    when 'bigint'::regtype then trunc(
      extract(epoch from bounded) * case bound_of_time.epoch when 'milliseconds' then 1000 else 1 end
    )::text
    when 'uuid'::regtype then regexp_replace(
      -- There is no uuid of a time before 1970; the smallest of all stands for it.
      lpad(to_hex(greatest(trunc(extract(epoch from bounded) * 1000)::bigint, 0)), 12, '0'),
      '^(.{8})(.{4})$', '\1-\2-0000-0000-000000000000'
    )
  end);
end;
$$;

comment on function nightshift.bound_of_time is
  'A time in UTC as a literal of the type of the key: of a uuid of version 7 the smallest one of that millisecond.';

-- supabase/schema/partition/check_partition_policy.sql

create or replace function nightshift.check_partition_policy(policy nightshift.partition_policies)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  parent record;
  nested regclass;
  months integer := extract(year from policy.every) * 12 + extract(month from policy.every);
  days integer := extract(day from policy.every);
  seconds numeric := extract(epoch from policy.every - make_interval(months => months, days => days));
begin
  select c.relkind, c.relpersistence, c.relowner, n.nspname, n.oid as namespace into parent
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = policy.parent;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name a partitioned table, with its schema: nightshift.add_partition_policy(''public.daily_metrics'', ''1 month'').';
  end if;
  select k.* into key from nightshift.partition_key(policy.parent) k;
  if key.type is null or parent.relpersistence = 't' or parent.nspname in ('pg_catalog', 'information_schema', 'nightshift') then
    raise exception using
      errcode = 'NS422',
      message = case when parent.relkind = 'p' then format('%s is not partitioned by range of a single column', policy.parent)
        else format('%s is not a partitioned table', policy.parent) end,
      hint = 'Partition it by range of the time of its rows: create table ... partition by range (created_at). See docs/pg_partman.md for how to move the rows of a plain table.';
  end if;
  if key.type not in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'uuid'::regtype, 'bigint'::regtype) then
    raise exception using
      errcode = 'NS422',
      message = format('The key %I of %s is of type %s', key.column_name, policy.parent, key.type),
      hint = 'It must be a date, a timestamp, a timestamptz, a uuid of version 7, or a bigint that counts seconds or milliseconds since 1970.';
  end if;
  if (key.type = 'bigint'::regtype) <> (policy.epoch is not null) or policy.epoch not in ('seconds', 'milliseconds') then
    raise exception using
      errcode = 'NS422',
      message = format('epoch does not fit the key %I of %s, which is of type %s', key.column_name, policy.parent, key.type),
      hint = 'A bigint needs epoch => ''seconds'' or epoch => ''milliseconds''; other keys need none.';
  end if;
  if not pg_has_role(parent.relowner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not change its partitions', policy.parent, parent.relowner::regrole, current_user),
      hint = format('alter table %s owner to %I;', policy.parent, current_user);
  end if;
  perform nightshift.trusted_name(policy.parent);
  perform nightshift.require_trusted_keys(policy.parent);
  if exists (
    select 1
    from pg_catalog.pg_partition_ancestors(policy.parent) a(relid)
    where a.relid <> policy.parent and (nightshift.partition_key(a.relid)).column_name = key.column_name
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is a partition itself, by the same %I, and can only hold a part of time', policy.parent, key.column_name),
      hint = 'Declare a policy for the table that it is a partition of, with partitions that are not partitioned themselves.';
  end if;
  select i.inhrelid::regclass into nested
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  where i.inhparent = policy.parent and c.relkind <> 'r'
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('Partition %s of %s is not a plain table: partitioned itself, or elsewhere', nested, policy.parent),
      hint = 'Nightshift makes partitions of one level, in this database. Declare a policy for each table of the level below, where that is by time.';
  end if;

  perform nightshift.require_period('every', policy.every, 'Say how long a partition is: ''1 hour'', ''1 day'', ''1 week'', ''1 month'', ''3 months'' or ''1 year''.');
  if (months > 0)::integer + (days > 0)::integer + (seconds > 0)::integer <> 1
    or seconds > 0 and 86400 % seconds::integer <> 0 or seconds % 3600 <> 0
    or months > 0 and 12 % months <> 0 and months % 12 <> 0
  then
    raise exception using
      errcode = 'NS422',
      message = format('every must be hours that divide a day, whole days, or months that divide a year, not %s', policy.every),
      hint = 'For example ''6 hours'', ''1 day'', ''1 week'', ''1 month'', ''3 months'' or ''1 year''.';
  end if;
  if key.type = 'date'::regtype and seconds > 0 then
    raise exception using
      errcode = 'NS422',
      message = format('%s is partitioned by a date, which has no hours', policy.parent),
      hint = 'every must be at least ''1 day''.';
  end if;
  if exists (
    select 1 from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = policy.parent and a.attname = key.column_name
      and key.type = 'uuid'::regtype and pg_get_expr(d.adbin, d.adrelid) ~ 'gen_random_uuid|uuid_generate_v4'
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('The key %I of %s is by default a random uuid, which holds no time', key.column_name, policy.parent),
      hint = 'It needs uuids of version 7: uuidv7() since Postgres 18, or made by the application.';
  end if;
  if policy.every > '5 years' then
    raise exception using
      errcode = 'NS422',
      message = format('every must be at most 5 years, not %s', policy.every),
      hint = 'A thousand such intervals reach back as far as a timestamp can.';
  end if;
  if policy.premake is null or policy.premake not between 1 and 100 then
    raise exception using
      errcode = 'NS422',
      message = format('premake must be from 1 to 100, not %s', coalesce(policy.premake::text, 'null')),
      hint = 'It is how many partitions there are ahead of the one that holds now; 4 by default.';
  end if;
  if policy.retention is not null then
    perform nightshift.require_period('retention', policy.retention, 'Say how long a partition stays after its end, like ''1 year''; leave it out to keep all.');
    if policy.retention > '1000 years' then
      raise exception using
        errcode = 'NS422',
        message = format('retention (%s) is longer than 1,000 years', policy.retention),
        hint = 'Leave retention out to keep all.';
    end if;
    if policy.retention < policy.every then
      raise exception using
        errcode = 'NS422',
        message = format('retention (%s) is shorter than a partition (%s)', policy.retention, policy.every),
        hint = 'It counts from the end of a partition. Is it a wrong unit?';
    end if;
  end if;
  if policy.retire not in ('detach', 'drop') then
    raise exception using
      errcode = 'NS422',
      message = format('retire must be detach or drop, not %s', policy.retire),
      hint = 'detach keeps a retired partition as a table of its own; drop drops it when grace is over.';
  end if;
  perform nightshift.require_period('grace', policy.grace, 'Say how long a retired partition can still be had back, like ''7 days''.');
  if policy.grace < '1 day' then
    raise exception using
      errcode = 'NS422',
      message = format('grace is only %s', policy.grace),
      hint = 'It is the time to notice that a partition is missing: at least ''1 day'', by default ''7 days''.';
  end if;
  if policy.max_fraction is null or policy.max_fraction <= 0 or policy.max_fraction > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('max_fraction must be over 0 and at most 1, not %s', coalesce(policy.max_fraction::text, 'null')),
      hint = 'It is the share of the partitions that one run may retire; 0.5 by default.';
  end if;
  if policy.partition_schema is not null and not exists (
    select 1 from pg_catalog.pg_namespace n where n.nspname = policy.partition_schema
  ) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schema %I', policy.partition_schema),
      hint = format('create schema %I;', policy.partition_schema);
  end if;
  if not has_schema_privilege(coalesce(policy.partition_schema, parent.nspname), 'create') then
    raise exception using
      errcode = 'NS422',
      message = format('%I may not create tables in schema %I', current_user, coalesce(policy.partition_schema, parent.nspname)),
      hint = format('grant create on schema %I to %I;', coalesce(policy.partition_schema, parent.nspname), current_user);
  end if;
end;
$$;

comment on function nightshift.check_partition_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';

-- supabase/schema/partition/check_partition_sizes.sql

create or replace function nightshift.check_partition_sizes(parent regclass default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
set jit = off
as $$
declare
  parents oid[] := array(
    select p.parent::oid from nightshift.partition_policies p
    where check_partition_sizes.parent is null or p.parent = check_partition_sizes.parent
  );
begin
  if parent is not null and parents = '{}' then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'table', r.parent::regclass::text,
      'partition', r.partition::regclass::text,
      'isDefault', r.is_default,
      'from', nullif(r.lower, '-infinity') at time zone 'UTC',
      'to', nullif(r.upper, 'infinity') at time zone 'UTC',
      'sizeBytes', z.bytes,
      'oversized', z.bytes > s.partition_alert_bytes,
      'rows', greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint,
      'deadRows', pg_stat_get_dead_tuples(c.oid),
      'rowLevelSecurity', c.relrowsecurity,
      'exposed', coalesce(c.oid = any(f.exposed), false)
    ) order by r.parent::regclass::text, r.is_default, r.lower), '[]')
    from nightshift.read_partitions(parents) r
    join pg_catalog.pg_class c on c.oid = r.partition
    cross join lateral pg_total_relation_size(c.oid) z(bytes)
    cross join nightshift.settings s
    left join nightshift.partition_faults(parents) f on f.parent = r.parent
  );
end;
$$;

comment on function nightshift.check_partition_sizes is
  'Each partition of the tables with a policy, or of one of them, as one JSON array: table, partition, isDefault, from and to (null without a bound), sizeBytes with indexes, oversized (over settings.partition_alert_bytes, default 10 GB), rows and deadRows as Postgres estimates them, rowLevelSecurity, exposed (anon or authenticated reach it past the table). Errors: NS404; 55P03 when a partition is locked for more than a second.';

-- supabase/schema/partition/copy_after_attach.sql

create or replace function nightshift.copy_after_attach(parent regclass, model regclass, partition regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
  warnings jsonb := '[]';
begin
  -- The index that stands for the one of model exists only now.
  select format('alter table %s replica identity using index %I', partition_name, own.relname) into command
  from pg_catalog.pg_index x
  left join pg_catalog.pg_inherits up on up.inhrelid = x.indexrelid
  join pg_catalog.pg_inherits down on down.inhparent = coalesce(up.inhparent, x.indexrelid)
  join pg_catalog.pg_index i on i.indexrelid = down.inhrelid and i.indrelid = partition
  join pg_catalog.pg_class own on own.oid = i.indexrelid
  join pg_catalog.pg_class c on c.oid = x.indrelid and c.relreplident = 'i'
  where x.indrelid = coalesce(model, parent) and x.indisreplident;
  if found then
    execute command;
  end if;

  for command in
    select format('alter publication %I add table only %s%s%s', p.pubname, partition_name,
      (
        select format(' (%s)', string_agg(format('%I', a.attname), ', '))
        from unnest(r.prattrs::smallint[]) n(attnum)
        join pg_catalog.pg_attribute a on a.attrelid = r.prrelid and a.attnum = n.attnum
        having count(*) > 0
      ),
      ' where (' || pg_get_expr(r.prqual, r.prrelid) || ')'
    )
    from pg_catalog.pg_publication_rel r
    join pg_catalog.pg_publication p on p.oid = r.prpubid
    where r.prrelid = model
  loop
    begin
      execute command;
    exception
      -- Room ahead comes first.
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported or invalid_parameter_value then
        warnings := warnings || to_jsonb(format('It could not be added to a publication of its siblings. Fix, as the owner of the publication: %s;', command));
    end;
  end loop;
  return warnings;
end;
$$;

comment on function nightshift.copy_after_attach is
  'Gives a new partition what only an attached one can have: the replica identity by an index, and the publications that its sibling model is in by itself. Returns warnings, as a JSON array.';

-- supabase/schema/partition/copy_grants.sql

create or replace function nightshift.copy_grants(parent regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
begin
  for command in
    -- What default privileges gave goes first.
    select format('revoke all on %s from %s', partition_name, case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = partition and a.grantee <> c.relowner
    group by a.grantee
    union all
    select format('grant %s on %s to %s%s', string_agg(a.privilege_type, ', '), partition_name, a.grantee::regrole,
      case when a.is_grantable then ' with grant option' else '' end)
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = parent
      and a.grantee not in (0, c.relowner)
      and not exists (
        select 1 from nightshift.api_roles() r(oid) where pg_has_role(r.oid, a.grantee, 'member')
      )
    group by a.grantee, a.is_grantable
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_grants is
  'Grants on a partition what its table grants, to all but public, the roles of the API and those that they are members of: they go through the table.';

-- supabase/schema/partition/copy_settings.sql

create or replace function nightshift.copy_settings(parent regclass, model regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  partition_name constant text := nightshift.trusted_name(partition);
  command text;
begin
  for command in
    select format('alter table %s alter column %I set statistics %s', partition_name, a.attname, a.attstattarget)
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attstattarget >= 0
    union all
    select format('alter table %s alter column %I set (%s)', partition_name, a.attname, array_to_string(a.attoptions, ', '))
    from pg_catalog.pg_attribute a
    where a.attrelid = coalesce(model, parent) and a.attnum > 0 and not a.attisdropped and a.attoptions is not null
    union all
    select format('alter table %s replica identity %s', partition_name, case c.relreplident when 'f' then 'full' else 'nothing' end)
    from pg_catalog.pg_class c
    where c.oid = coalesce(model, parent) and c.relreplident in ('f', 'n')
    union all
    select format('alter table %s set (%s)', partition_name, string_agg(o.option, ', '))
    from (
      select unnest(c.reloptions) from pg_catalog.pg_class c where c.oid = model
      union all
      select 'toast.' || unnest(t.reloptions)
      from pg_catalog.pg_class c
      join pg_catalog.pg_class t on t.oid = c.reltoastrelid
      where c.oid = model
    ) o(option)
    having count(*) > 0
    union all
    select format('alter table %s enable row level security', partition_name)
    from pg_catalog.pg_class c
    where c.oid in (parent, model) and c.relrowsecurity
    union
    select format('alter table %s force row level security', partition_name)
    from pg_catalog.pg_class c
    where c.oid = parent and c.relforcerowsecurity
  loop
    execute command;
  end loop;
end;
$$;

comment on function nightshift.copy_settings is
  'Gives a new partition what it has from neither its table nor LIKE: statistics targets, column and storage options and replica identity of model, the newest of its siblings (or of the table where there is none), and row level security where the table or model has it. It gets no policies: who is to see rows goes through the table, whose policies count.';

-- supabase/schema/partition/count_between.sql

create or replace function nightshift.count_between(policy nightshift.partition_policies, relation regclass, bounds timestamp[])
returns table (lower timestamp, upper timestamp, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record := nightshift.partition_key(policy.parent);
  literals text[] := array(
    select nightshift.bound_of_time(b.at, key.type, policy.epoch) from unnest(bounds) with ordinality b(at, position) order by b.position
  );
begin
  return query execute format(
    'select $1[r.bucket], $1[r.bucket + 1], r.row_count
     from (
       select width_bucket(r.%1$I, array[%2$s]::%3$s[]) as bucket, count(*) as row_count
       from only %4$s r where r.%1$I >= %5$s and r.%1$I < %6$s%7$s group by 1
     ) r',
    key.column_name, array_to_string(literals, ', '), key.type, nightshift.trusted_name(relation), literals[1], literals[cardinality(literals)],
    -- A random uuid is of no time.
    case when key.type = 'uuid'::regtype then format(' and substr(r.%I::text, 15, 1) = ''7''', key.column_name) end
  ) using bounds;
end;
$$;

comment on function nightshift.count_between is
  'How many rows of a table lie from each of the bounds, in the order of time, to the next; without those where there are none.';

-- supabase/schema/partition/count_movable_rows.sql

create or replace function nightshift.count_movable_rows(policy nightshift.partition_policies, as_of timestamptz)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  state constant nightshift.partition_state := nightshift.assess_partitions(array[policy.parent::oid], as_of);
begin
  if state.default_partition is null or nightshift.is_large(state.default_partition) then
    return null;
  end if;
  return (select coalesce(sum(w.row_count), 0) from nightshift.partitions_wanted(policy, state) w);
exception
  -- A list of policies is there to be read, whatever is wrong with one of their tables.
  when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege then
    return null;
end;
$$;

comment on function nightshift.count_movable_rows is
  'How many rows a run would move out of the default partition of a table; null without one, and where that would take long or cannot be known.';

-- supabase/schema/partition/create_missing_partitions.sql

-- Room ahead: which partitions are missing, and the transaction that makes them.
-- Why: made apart and attached, a partition costs its table a lock that neither readers nor writers meet; only rows that
--      change partition keep everyone waiting.
-- Locks: SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on tables that
--        its foreign keys refer to; with a default partition ACCESS EXCLUSIVE on both, for as long as rows move.

create or replace function nightshift.create_missing_partitions(
  parent regclass,
  as_of timestamptz default now(),
  max_rows bigint default 50000,
  max_lock interval default '1 second'
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set jit = off
as $$
declare
  patience constant text := current_setting('lock_timeout');
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  step_time interval := '0';
  chosen record;
  known record;
  model regclass;
  piece tsrange;
  locked_at timestamptz;
  made jsonb := '[]';
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions are made under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see what appears before the lock.',
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  select p.* into policy from nightshift.partition_policies p
  where p.parent = create_missing_partitions.parent
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  if patience = '0' then
    perform set_config('lock_timeout', '2s', true);
  end if;
  -- From here on nobody else makes, attaches or detaches a partition; readers and writers go on.
  execute format('lock table only %s in share update exclusive mode', policy.parent);
  -- What Postgres reads when a partition is attached: nobody adds to it any more.
  perform nightshift.trusted_name(policy.parent);
  state := nightshift.assess_partitions(array[policy.parent::oid], as_of);
  if state.default_partition is not null then
    -- Once for rows that move, once by Postgres for rows that ought to have.
    step_time := 2 * nightshift.scan_time_of(state.default_partition);
  end if;
  -- The other half of the time is for writing rows.
  chosen := nightshift.partitions_to_make(policy, state, max_rows, step_time <= max_lock / 2);
  if chosen.pieces = '{}' and chosen.complete then
    return jsonb_build_object('created', made, 'done', true, 'lockedMs', 0);
  end if;
  if chosen.pieces = '{}' then
    raise exception using
      errcode = 'NS423',
      message = format('Its default partition %s is so large that to make the missing partitions beside it would keep everyone waiting for about %s s each',
        state.default_partition::regclass, round(extract(epoch from step_time)::numeric, 1)),
      detail = 'It is read for each of them, with the table locked, for rows that belong into the new one. Nothing was changed.',
      hint = format('In a quiet hour, until it says done: set statement_timeout = 0; select nightshift.create_missing_partitions(%L, max_rows => 10000000, max_lock => ''1 hour'');',
        policy.parent);
  end if;
  -- Of a uuid only the first half is a time: next to an odd bound the new one has to be the very same.
  select
    array_agg(r.lower) as lowers, array_agg(r.upper) as uppers,
    array_agg(r.from_bound) as from_bounds, array_agg(r.to_bound) as to_bounds
  into known
  from nightshift.read_partitions(case state.key_type when 'uuid'::regtype then array[policy.parent::oid] else '{}' end) r;
  select c.oid::regclass into model
  from pg_catalog.pg_class c
  where c.oid in (state.newest, state.default_partition) and c.relkind = 'r'
  order by c.oid = state.newest desc
  limit 1;

  -- Who writes or reads must not have looked up the partitions before rows change theirs: it would miss them.
  if state.default_partition is not null then
    perform nightshift.lock_for_change(policy.parent, state.default_partition);
  end if;
  locked_at := clock_timestamp();
  foreach piece in array chosen.pieces loop
    exit when made <> '[]' and clock_timestamp() > locked_at + max_lock - case when chosen.is_proven then '0' else step_time end;
    made := made || (
      nightshift.create_partition(
        policy, state.key_column, lower(piece),
        coalesce(known.to_bounds[array_position(known.uppers, lower(piece))],
          nightshift.bound_of_time(lower(piece), state.key_type, policy.epoch)),
        coalesce(known.from_bounds[array_position(known.lowers, upper(piece))],
          nightshift.bound_of_time(upper(piece), state.key_type, policy.epoch)),
        model, case when not chosen.is_proven then state.default_partition end
      )
      || jsonb_build_object('from', lower(piece) at time zone 'UTC', 'to', upper(piece) at time zone 'UTC')
    );
  end loop;
  if chosen.is_proven and cardinality(chosen.pieces) = jsonb_array_length(made) then
    perform nightshift.drop_exclusion(policy.parent);
  end if;
  perform set_config('lock_timeout', patience, true);
  return jsonb_build_object(
    'created', made,
    'done', chosen.complete and cardinality(chosen.pieces) = jsonb_array_length(made),
    'lockedMs', round(extract(epoch from clock_timestamp() - locked_at) * 1000)
  );
end;
$$;

comment on function nightshift.create_missing_partitions is
  'Makes the partitions of a table that its policy asks for and that are not there: the present interval, premake more, and gaps; and moves rows of a default partition to where they belong, at most about max_rows in one call (default 50,000): the future first, then the present, then gaps from new to old. Harmless when repeated. For whoever owns the schema nightshift; jobs call create_partitions. Waits for locks as long as lock_timeout says, 2 s when that says for ever. Returns {created: [{partition, from, to, rows, warnings}], done, lockedMs}; not done: call it again. lockedMs: how long, in ms, the locks were held. max_lock: about how long everyone may have to wait in one call where there is a default partition, default 1 second; half of it may pass with reading that partition. Errors: NS404, NS422, NS423 the default partition is too large for that, 55P03 a lock was not to be had.';

-- supabase/schema/partition/create_partition.sql

-- A new partition: made apart, with all that it needs, filled from the default partition, then attached.
-- Why: what partitions do not inherit, security above all, is there before a row can be.
-- Locks: those that the caller takes, see lock_for_attach.

create or replace function nightshift.create_partition(
  policy nightshift.partition_policies,
  key_column name,
  lower timestamp,
  from_bound text,
  to_bound text,
  model regclass,
  default_partition regclass
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  parent_name constant text := nightshift.trusted_name(policy.parent);
  partition_name text;
  foreign_keys text;
  parent record;
  schema name;
  partition regclass;
  name name;
  moved bigint := 0;
  stage regclass;
  columns text;
  triggers jsonb;
  warnings jsonb;
begin
  select c.relowner, n.nspname, m.amname, t.spcname into parent
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_class s on s.oid = model
  left join pg_catalog.pg_am m on m.oid = coalesce(nullif(c.relam, 0), s.relam)
  left join pg_catalog.pg_tablespace t on t.oid = c.reltablespace
  where c.oid = policy.parent;
  schema := coalesce(policy.partition_schema, parent.nspname);
  name := nightshift.free_partition_name(policy.parent, schema, nightshift.partition_suffix(policy.every, lower));

  -- A key that a partition has when it is attached is not checked again, for which Postgres would read a stranger's table with our rights.
  select string_agg(format(', constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), '' order by k.oid) into foreign_keys
  from pg_catalog.pg_constraint k
  cross join lateral nightshift.find_stranger(k.confrelid) s
  where k.conrelid = policy.parent and k.contype = 'f' and s.message is not null;
  -- Without its identity: the rows come through the table, which numbers them. Its indexes and keys come with attach.
  execute format(
    'create table %I.%I (like %s including defaults including constraints including generated including storage
       including compression including statistics including comments%s)%s%s',
    schema, name, parent_name, foreign_keys, ' using ' || quote_ident(parent.amname), ' tablespace ' || quote_ident(parent.spcname)
  );
  partition := format('%I.%I', schema, name)::regclass;
  partition_name := nightshift.trusted_name(partition);
  perform nightshift.require_checked_keys(policy.parent, partition);
  if parent.relowner <> current_user::regrole then
    execute format('alter table %s owner to %s', partition_name, parent.relowner::regrole);
  end if;
  perform nightshift.copy_grants(policy.parent, partition);
  perform nightshift.copy_settings(policy.parent, model, partition);
  if default_partition is not null then
    select string_agg(format('%I', a.attname), ', ' order by a.attnum) into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = partition and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
    -- A publication sends what leaves the default partition, but what enters a table that is no partition yet it does not
    -- send, or under a name that the subscriber does not know: the subscriber would lose the rows.
    if nightshift.is_published(default_partition) then
      execute format('create temporary table %I (like %s) on commit drop', 'nightshift_stage_' || partition::oid, partition_name);
      stage := format('pg_temp.%I', 'nightshift_stage_' || partition::oid)::regclass;
    end if;
    moved := nightshift.move_rows(default_partition, coalesce(stage, partition), columns, key_column, from_bound, to_bound);
  end if;
  execute format('alter table %s attach partition %s for values from (%s) to (%s)', parent_name, partition_name, from_bound, to_bound);
  warnings := nightshift.copy_after_attach(policy.parent, model, partition);
  if stage is not null then
    triggers := nightshift.mute_triggers(partition);
    execute format('insert into %1$s (%2$s) overriding system value select %2$s from %3$s',
      partition_name, columns, nightshift.trusted_name(stage));
    perform nightshift.unmute_triggers(partition, triggers);
    execute format('drop table %s', nightshift.trusted_name(stage));
  end if;
  return jsonb_build_object('partition', partition::text, 'rows', moved, 'warnings', warnings);
end;
$$;

comment on function nightshift.create_partition is
  'Makes one partition and attaches it: like model, the newest sibling, in all that the table itself does not give it; with the rows of the default partition, if one is given, that belong there. The table is locked by the caller. Returns {partition, rows, warnings}.';

-- supabase/schema/partition/create_partitions.sql

-- Room ahead for a run: several tables in one transaction, each for itself.
-- Why: one bad table must not stop the others, and what was done is written down with the deed.
-- Locks: those of create_missing_partitions.

create or replace function nightshift.create_partitions(
  run_id uuid,
  fence bigint,
  tables text[],
  lock_timeout_ms integer default 100,
  max_rows bigint default 50000,
  max_lock_ms integer default 1000
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '1 second';
  run nightshift.runs;
  name text;
  made jsonb := '{}';
  answers jsonb := '[]';
  answer jsonb;
  hint text;
  context text;
  detail text;
begin
  perform nightshift.require_nothing_queued();
  run := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  foreach name in array tables loop
    exit when answers <> '[]' and clock_timestamp() > stop_at;
    begin
      if not exists (
        select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(name) and p.enabled
      ) then
        raise exception using
          errcode = 'NS404',
          message = format('%s has no partition policy that is switched on', name),
          hint = 'It was removed, switched off or renamed since the run began.';
      end if;
      answer := nightshift.create_missing_partitions(nightshift.find_relation(name), run.started_at, max_rows,
        make_interval(secs => max_lock_ms / 1000.0)) || '{"outcome": "made"}';
      if answer -> 'created' <> '[]' then
        made := made || jsonb_build_object(name, coalesce(made -> name, '[]') || (answer -> 'created'));
      end if;
    exception
      when lock_not_available or deadlock_detected then
        get stacked diagnostics detail = pg_exception_detail;
        answer := nightshift.describe_busy(detail);
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS423' or syntax_error_or_access_rule_violation or object_not_in_prerequisite_state
        or feature_not_supported or integrity_constraint_violation or data_exception or dependent_objects_still_exist
        or program_limit_exceeded or plpgsql_error or invalid_schema_name or serialization_failure
      then
        get stacked diagnostics hint = pg_exception_hint, context = pg_exception_context;
        answer := jsonb_build_object('outcome', 'failed', 'error', nightshift.describe_ddl_failure(
          sqlstate, sqlerrm, hint, context, format('select nightshift.create_missing_partitions(%L);', name),
          exists (
            select 1 from pg_catalog.pg_partitioned_table t
            where t.partrelid = nightshift.find_relation(name) and t.partdefid <> 0
          )));
    end;
    answers := answers || (answer || jsonb_build_object('table', name));
  end loop;
  -- Once for all: the ledger is written anew each time.
  perform nightshift.note_partitions(run.id, 'created', made);
  return answers;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.create_partitions is
  'Makes the missing partitions of the tables, in one transaction, for a run: see create_missing_partitions. What happens to one table does not touch the others. Returns one answer a table, [{table, outcome: made, created, done, lockedMs} | {table, outcome: busy, holder (see lock_holder)} | {table, outcome: failed, error}], for as many tables as a second allows; the rest: call again. lock_timeout_ms: how long it waits for each lock, 1 to 5000, default 100. max_lock_ms: see max_lock there. statement_timeout 8 s. Tables with foreign keys, or with a default partition, one at a time: their locks are felt. Errors: NS409 lease lost, NS410 cancelled or paused, NS422.';

-- supabase/schema/partition/describe_busy.sql

create or replace function nightshift.describe_busy(detail text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('outcome', 'busy') || case
    -- Of a deadlock or a lock timeout Postgres says something else, or nothing.
    when describe_busy.detail like '{"%' then jsonb_build_object('holder', describe_busy.detail::jsonb) else '{}' end;
$$;

comment on function nightshift.describe_busy is
  'The answer of a call that did not get its locks: {outcome: busy, holder}; holder is what lock_holder says, where it was found before waiting. detail: of the error.';

-- supabase/schema/partition/describe_ddl_failure.sql

create or replace function nightshift.describe_ddl_failure(state text, message text, hint text, context text, statement text, rows_moved boolean)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'code', describe_ddl_failure.state,
    -- Of definitions Postgres speaks freely; what fails on rows may quote one.
    'message', case
      when describe_ddl_failure.state ~ '^NS' or describe_ddl_failure.state ~ '^(42|55|0A|2B)' and not describe_ddl_failure.rows_moved
        then describe_ddl_failure.message
      else nightshift.describe_failure('Postgres refused', describe_ddl_failure.state, describe_ddl_failure.context) end,
    'hint', coalesce(nullif(describe_ddl_failure.hint, ''), format('To see why: %s', describe_ddl_failure.statement))
  );
$$;

comment on function nightshift.describe_ddl_failure is 'The JSON document of an error of one table, for a report: {code, message, hint}, without row contents.';

-- supabase/schema/partition/describe_partition_policy.sql

create or replace function nightshift.describe_partition_policy(policy nightshift.partition_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'table', policy.parent::text,
    'every', case when policy.every < '1 day' then format('%s hours', extract(hour from policy.every)) else policy.every::text end,
    'premake', policy.premake,
    'roomDays', round(extract(epoch from policy.premake * policy.every) / 86400, 1),
    'retention', policy.retention::text,
    'retire', policy.retire,
    'grace', policy.grace::text,
    'maxFraction', policy.max_fraction,
    'partitionSchema', policy.partition_schema,
    'epoch', policy.epoch,
    'enabled', policy.enabled
  );
$$;

comment on function nightshift.describe_partition_policy is
  'The JSON document of a policy; roomDays: how far ahead premake partitions reach.';

-- supabase/schema/partition/describe_partition_sets.sql

-- Partitioned tables in words: what a run will do, and what is wrong that it does not mend.
-- Why: a fault that is not said, with its fix, is found by whoever it hurts.
-- Locks: none on those of the application.

create or replace function nightshift.describe_partition_sets(
  parents oid[],
  as_of timestamptz default now()
)
returns table (parent regclass, document jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set timezone = 'UTC'
as $$
  select
    p.parent,
    nightshift.describe_partition_policy(p) || case
      when a.key_column is null then jsonb_build_object('problem', case
        when c.oid is null then format('Its table %s is gone', p.parent_name)
        else 'It is not partitioned by range of one column any more' end,
        'fix', format('select nightshift.remove_partition_policy(%s);', coalesce(quote_literal(c.oid::regclass), p.parent::oid::text)))
      else jsonb_build_object(
        'partitions', a.partitions,
        'horizon', a.horizon at time zone 'UTC',
        'horizonDays', case
          when isfinite(a.horizon) then round(extract(epoch from a.horizon - (describe_partition_sets.as_of at time zone 'UTC')) / 86400, 2)
          when a.horizon is null then 0
        end,
        'missing', case when isempty(a.missing) then '[]' else (
          select jsonb_agg(jsonb_build_object('from', i.lower at time zone 'UTC', 'to', i.upper at time zone 'UTC') order by i.lower)
          from nightshift.intervals_of(p.every, a.missing) i
        ) end,
        'dueAfterwards', case when a.newest_is_past and not isempty(a.missing) then a.newest::regclass::text end,
        'due', (select coalesce(jsonb_agg(d.partition::regclass::text order by d.position), '[]')
          from unnest(a.due) with ordinality d(partition, position)),
        'dueBefore', a.cutoff at time zone 'UTC',
        -- As it will be when what is missing has been made.
        'refusal', nightshift.why_not_retire_so_many(
          p, cardinality(a.due) + (a.newest_is_past and not isempty(a.missing))::integer,
          a.begun_partitions + case when isempty(a.missing) then 0 else (
            select count(*)::integer from nightshift.intervals_of(p.every, a.missing) i
            where i.lower <= describe_partition_sets.as_of at time zone 'UTC'
          ) end
        ),
        'defaultPartition', a.default_partition::regclass::text,
        'excludes', exists (select from nightshift.default_exclusions e where e.parent = p.parent),
        -- Read once for all tables: there is no index by the table at the other end.
        'hasForeignKeys', p.parent::oid in (
          select unnest(array[k.conrelid, k.confrelid]) from pg_catalog.pg_constraint k where k.contype = 'f'
        ),
        'oversized', coalesce(cardinality(f.oversized), 0),
        'warnings', nightshift.partition_warnings(
          p, a.held, a.left_out, a.detached, a.cutoff, a.newest, a.odd, a.pending, a.kept, f.exposed, f.exposed_to, f.oversized,
          g.usual_gap
        )
      ) end
  from nightshift.assess_partitions(describe_partition_sets.parents, describe_partition_sets.as_of) a
  join nightshift.partition_policies p on p.parent::oid = a.parent
  left join pg_catalog.pg_class c on c.oid = p.parent
  left join nightshift.partition_faults(describe_partition_sets.parents) f on f.parent = p.parent::oid
  cross join nightshift.usual_gap('partition-maintenance') g(usual_gap);
$$;

comment on function nightshift.describe_partition_sets is
  'Policies with the state of their tables, as JSON: partitions, horizon, horizonDays (null when it never ends), missing [{from, to}], due, dueAfterwards (the newest, which is due when others have been made), dueBefore (partitions that ended by then are due), refusal (why a run retires none of them, unless forced), defaultPartition, excludes (a run was interrupted: see exclude_from_default), hasForeignKeys (from it or to it), oversized (how many), warnings; or problem and fix when the policy does not fit its table any more.';

-- supabase/schema/partition/describe_retired.sql

create or replace function nightshift.describe_retired(record nightshift.retired_partitions)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select jsonb_build_object(
    'partition', record.partition_name,
    'from', nullif(lower(record.period), '-infinity') at time zone 'UTC',
    'to', upper(record.period) at time zone 'UTC',
    'sizeBytes', record.size_bytes,
    'dropAfter', record.drop_after
  );
$$;

comment on function nightshift.describe_retired is
  'The JSON document of a retired partition: {partition, from, to, sizeBytes, dropAfter}.';

-- supabase/schema/partition/drop_exclusion.sql

create or replace function nightshift.drop_exclusion(parent regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  exclusion record := nightshift.exclusion_of(parent);
begin
  if exclusion.default_partition is not null then
    execute format('alter table %s drop constraint nightshift_room_ahead', nightshift.trusted_name(exclusion.default_partition));
  end if;
  delete from nightshift.default_exclusions e where e.parent = drop_exclusion.parent;
end;
$$;

comment on function nightshift.drop_exclusion is
  'Lets the default partition of a table have all rows again: see exclude_from_default. Locks it for a moment.';

-- supabase/schema/partition/drop_inherited_keys.sql

-- Locks: ACCESS EXCLUSIVE on the partition and on the tables that its keys refer to, until the end of the transaction.

create or replace function nightshift.drop_inherited_keys(parent regclass, partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  key name;
begin
  for key in
    select k.conname
    from pg_catalog.pg_constraint k
    where k.conrelid = drop_inherited_keys.partition and k.contype = 'f' and k.conparentid = 0
      and (k.confrelid, pg_get_constraintdef(k.oid)) in (
        select p.confrelid, pg_get_constraintdef(p.oid)
        from pg_catalog.pg_constraint p
        where p.conrelid = drop_inherited_keys.parent and p.contype = 'f'
      )
  loop
    execute format('alter table %s drop constraint %I', nightshift.trusted_name(partition), key);
  end loop;
end;
$$;

comment on function nightshift.drop_inherited_keys is
  'Drops those foreign keys of a detached partition that its table has as well: it would hold the rows that it refers to for as long as it waits to be dropped. When it is attached again, Postgres makes and checks them anew.';

-- supabase/schema/partition/drop_retired_partitions.sql

-- Retirement, the second step: what was detached is dropped when its grace period is over, or comes back.
-- Why: a wrong retention is noticed when data is missing; until then nothing is lost. Whether a table is still ours to drop
--      is told by what people change when they want to keep it, looked at under the lock.
-- Locks: ACCESS EXCLUSIVE on the dropped table and on those it refers to.

create or replace function nightshift.drop_retired_partitions(
  run_id uuid,
  fence bigint,
  partitions text[],
  lock_timeout_ms integer default 100
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '2 seconds';
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  name text;
  record nightshift.retired_partitions;
  reason text;
  answers jsonb := '[]';
  answer jsonb;
  context text;
  detail text;
begin
  foreach name in array partitions loop
    exit when answers <> '[]' and clock_timestamp() > stop_at;
    answer := '{"outcome": "kept", "reason": "it is not waiting to be dropped"}';
    begin
      select d.* into record
      from nightshift.retired_partitions d
      where d.partition_name = name and d.status = 'detached' and d.drop_after is not null
      order by d.id desc
      limit 1
      for update;
      if found then
        perform 1 from nightshift.partition_policies p where p.parent = record.parent for share;
        -- With the table locked, nobody attaches or renames it between the look and the drop.
        if exists (select 1 from pg_catalog.pg_class c where c.oid = record.partition and c.relkind = 'r') then
          perform nightshift.lock_in_turn(array[record.partition], '{access exclusive}');
        end if;
        reason := nightshift.why_not_drop(record, run.started_at);
        if reason is null then
          execute format('drop table %s', nightshift.trusted_name(record.partition));
          update nightshift.retired_partitions d
          set status = 'dropped', ended_at = clock_timestamp(), ended_run = run.id
          where d.id = record.id;
          perform nightshift.note_partitions(run.id, 'dropped', jsonb_build_object(record.parent::text,
            jsonb_build_array(jsonb_build_object('partition', name, 'sizeBytes', record.size_bytes))));
          answer := '{"outcome": "dropped"}';
        else
          answer := jsonb_build_object('outcome', 'kept', 'reason', reason);
        end if;
      elsif exists (
        select 1 from nightshift.retired_partitions d
        where d.partition_name = name and d.status = 'dropped' and d.ended_run = run.id
      ) then
        -- The answer was lost, and the call is repeated.
        answer := '{"outcome": "dropped"}';
      end if;
    exception
      when lock_not_available or deadlock_detected then
        get stacked diagnostics detail = pg_exception_detail;
        answer := nightshift.describe_busy(detail);
      when sqlstate 'NS422' then
        answer := jsonb_build_object('outcome', 'kept', 'reason', sqlerrm);
      when dependent_objects_still_exist then
        answer := '{"outcome": "kept", "reason": "other objects need it"}';
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported or plpgsql_error
        or serialization_failure
      then
        get stacked diagnostics context = pg_exception_context;
        answer := jsonb_build_object('outcome', 'kept', 'reason', case
          when sqlstate like 'P0%' or sqlstate = '40001' then nightshift.describe_failure('Postgres refused', sqlstate, context)
          else format('Postgres says: %s', sqlerrm) end);
    end;
    answers := answers || (answer || jsonb_build_object('partition', name));
  end loop;
  return answers;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.drop_retired_partitions is
  'Drops retired partitions whose grace period is over, each looked at again under the lock: see why_not_drop. Nothing is cascaded. Returns [{partition, outcome: dropped} | {partition, outcome: kept, reason} | {partition, outcome: busy, holder (see lock_holder)}], for as many as two seconds allow. lock_timeout_ms: 1 to 5000, default 100; a partition with foreign keys also locks the tables that it refers to. statement_timeout 8 s. Errors: NS409, NS410 cancelled or paused, NS422.';

-- supabase/schema/partition/exclude_from_default.sql

-- Room ahead beside a large default partition, the first of three steps: a constraint keeps out what the new partitions are for.
-- Why: Postgres reads the default partition, with everyone locked out, unless a validated constraint says that no row of it
--      belongs into the new one. Until the last step such a row is refused, so this is only for tables that never had one.
-- Locks: SHARE UPDATE EXCLUSIVE on the table; ACCESS EXCLUSIVE on the default partition, in which nothing is read under it.

create or replace function nightshift.exclude_from_default(
  run_id uuid,
  fence bigint,
  table_name text,
  validate_ms integer,
  lock_timeout_ms integer default 100
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set timezone = 'UTC'
set jit = off
as $$
declare
  -- The run itself is held only for the lock: before it a large partition may be read.
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  -- The rows that are written today are dated by the clock, whatever time the run is told.
  now constant timestamp := greatest(run.started_at, now()) at time zone 'UTC';
  period tsrange;
  writes_ahead boolean;
  from_bound text;
  to_bound text;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(table_name) and p.enabled
  for share;
  if not found then
    return '{"outcome": "nothing"}';
  end if;
  perform nightshift.check_partition_policy(policy);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  -- Should this run die now, the next one drops the constraint before anyone is in that time.
  select tsrange(min(i.lower), max(i.upper)) into period
  from nightshift.intervals_of(policy.every, state.missing) i
  where i.lower >= now + nightshift.usual_gap('partition-maintenance') + interval '1 hour'
  having count(*) > 0;
  if state.default_partition is null or period is null
    or nightshift.scan_time_of(state.default_partition) > make_interval(secs => validate_ms / 1000.0)
  then
    return '{"outcome": "nothing"}';
  end if;
  select exists (
    select 1 from nightshift.read_partitions(array[policy.parent::oid]) r where r.lower > now and nightshift.pages_of(r.partition) > 0
  ) into writes_ahead;
  to_bound := nightshift.bound_of_time(upper(period), state.key_type, policy.epoch);
  if not writes_ahead then
    from_bound := nightshift.bound_of_time(nightshift.interval_start(policy.every, now) + policy.every, state.key_type, policy.epoch);
    execute format('select exists (select from %s r where r.%2$I >= %3$s and r.%2$I < %4$s)',
      nightshift.trusted_name(state.default_partition), state.key_column,
      from_bound, to_bound) into writes_ahead;
  end if;
  if writes_ahead then
    return '{"outcome": "nothing"}';
  end if;

  run := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  execute format('lock table only %s in share update exclusive mode', nightshift.trusted_name(policy.parent));
  perform nightshift.lock_in_turn(array[state.default_partition], '{access exclusive}');
  perform nightshift.drop_exclusion(policy.parent);
  from_bound := nightshift.bound_of_time(lower(period), state.key_type, policy.epoch);
  execute format('alter table %s add constraint nightshift_room_ahead check (%2$I is null or %2$I < %3$s or %2$I >= %4$s) not valid',
    nightshift.trusted_name(state.default_partition), state.key_column, from_bound, to_bound);
  insert into nightshift.default_exclusions values (policy.parent, state.default_partition, period);
  return '{"outcome": "excluded"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.exclude_from_default is
  'Adds the constraint nightshift_room_ahead, not yet valid, to the default partition of a table: it keeps out rows of the missing partitions that begin after the next run. Only where none of its rows is later than the present interval, so that the application does not write ahead, and where validate_default is likely to take no longer than validate_ms. create_partitions then makes these partitions without reading the default partition, and drops the constraint; release_default drops it otherwise. Returns {outcome: excluded | nothing (it is not for this table now) | busy}. lock_timeout_ms: 1 to 5000, default 100. Errors: NS409, NS410, NS422.';

-- supabase/schema/partition/exclusion_of.sql

create or replace function nightshift.exclusion_of(parent regclass, out default_partition regclass, out period tsrange, out is_proven boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select found.*
  from (select) one
  left join (
    select e.default_partition, e.period, k.convalidated
    from nightshift.default_exclusions e
    join pg_catalog.pg_constraint k
      on k.conrelid = e.default_partition and k.conname = 'nightshift_room_ahead' and k.contype = 'c'
    where e.parent = exclusion_of.parent
  ) found on true;
$$;

comment on function nightshift.exclusion_of is
  'What the constraint nightshift_room_ahead keeps out of the default partition of a table, and whether Postgres knows that none of it is there (is_proven); nulls without the constraint.';

-- supabase/schema/partition/explain_attach_failure.sql

create or replace function nightshift.explain_attach_failure(
  record nightshift.retired_partitions,
  state text,
  said text,
  table_name text,
  constraint_name text,
  out detail text,
  out hint text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unchecked name;
  default_partition regclass;
begin
  select t.partdefid into default_partition
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_class c on c.oid = t.partdefid
  where t.partrelid = record.parent and c.relname = table_name;
  -- Since Postgres 18 NOT NULL is a constraint, which can be there without having been checked.
  select k.conname into unchecked
  from pg_catalog.pg_constraint k
  where k.conrelid = record.partition and k.contype = 'n' and not k.convalidated
  limit 1;
  if state = '23514' and default_partition is not null then
    detail := format('The default partition %s has rows of its time, from %s to %s.', default_partition, lower(record.period), upper(record.period));
    hint := format('Move them to %s, and try again.', record.partition);
  elsif state = '23514' then
    detail := format('It has rows of another time than its own, from %s to %s.', lower(record.period), upper(record.period));
    hint := format('Move them to %s, and try again.', record.parent);
  elsif state like '23%' then
    -- What Postgres says of a row may quote it.
    detail := format('%s has gained %s, which rows of %s do not satisfy.', record.parent,
      coalesce(format('a constraint like %s', nullif(constraint_name, '')), 'a NOT NULL'), record.partition);
    hint := format('Mend those rows, and try again; or read them from %s, which stays a table of its own.', record.partition);
  elsif unchecked is not null and said like '%NOT VALID%' then
    detail := said;
    hint := format('alter table %s validate constraint %I; and try again.', record.partition, unchecked);
  elsif state = '42P16' then
    detail := said;
    hint := format('Postgres does not recognise a key without overlaps, and makes it anew: %s and try again.', (
      select format('alter table %s drop constraint %I;', record.partition, k.conname)
      from pg_catalog.pg_constraint k where k.conrelid = record.partition and k.contype = 'p'
    ));
  elsif state = '42P17' then
    detail := said;
    hint := format('Another partition holds its time now: insert into %s select * from %s;', record.parent, record.partition);
  else
    detail := said;
    hint := format('%s has changed since: give %s the same columns and constraints.', record.parent, record.partition);
  end if;
end;
$$;

comment on function nightshift.explain_attach_failure is
  'Why Postgres did not attach a retired partition again, and what to do, without contents of rows. state, said, table_name, constraint_name: of its error.';

-- supabase/schema/partition/finish_detach.sql

create or replace function nightshift.finish_detach(run_id uuid, fence bigint, partition text, lock_timeout_ms integer default 1000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  record nightshift.retired_partitions;
  policy nightshift.partition_policies;
  pending boolean;
  context text;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition_name = finish_detach.partition and d.status = 'detaching'
  for update;
  if not found then
    select d.* into record
    from nightshift.retired_partitions d
    where d.partition_name = finish_detach.partition and d.status = 'detached' and d.run_id = run.id;
    -- The answer was lost, and the call is repeated.
    return jsonb_build_object('outcome', case when found then 'retired' else 'nothing' end);
  end if;
  select p.* into policy from nightshift.partition_policies p where p.parent = record.parent for share;
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = record.partition) then
    update nightshift.retired_partitions d set status = 'gone', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = record.parent)
    or exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = record.partition and i.inhparent <> record.parent::oid)
    or record.partition::text <> record.partition_name
  then
    -- People have taken it into their own hands.
    update nightshift.retired_partitions d set status = 'gone', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  select i.inhdetachpending into pending
  from pg_catalog.pg_inherits i
  where i.inhrelid = record.partition and i.inhparent = record.parent;
  if pending then
    execute format('alter table %s detach partition %s finalize',
      nightshift.trusted_name(record.parent), nightshift.trusted_name(record.partition));
  elsif pending is not null then
    -- It never came to it; or a run that lost its lease is frozen just before it, and no fence stops that statement.
    delete from nightshift.retired_partitions d
    where d.id = record.id and d.retired_at < clock_timestamp() - interval '1 day';
    return '{"outcome": "nothing"}';
  end if;
  if pending is null and not exists (
    select 1
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
    where k.conrelid = record.partition and k.contype = 'c'
      and a.attname = (nightshift.partition_key(record.parent)).column_name
  ) then
    -- Detached concurrently, it would have its bounds as a constraint: a person has detached it, for reasons of their own.
    update nightshift.retired_partitions d set status = 'released', ended_at = clock_timestamp() where d.id = record.id;
    return '{"outcome": "nothing"}';
  end if;
  perform nightshift.stamp_retired(policy, record.partition, run.id);
  return '{"outcome": "retired"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.finish_detach is
  'Sees to a partition that was to be detached concurrently: finishes what was interrupted and stamps it. Returns {outcome: retired}, {outcome: nothing} when it is still attached, gone, or a person has detached it, or {outcome: busy}. One that is still attached is not forgotten for a day: the statement may be under way in a session that nobody waits for any more. Errors: NS409, NS410 cancelled or paused, NS422.';

-- supabase/schema/partition/free_partition_name.sql

create or replace function nightshift.free_partition_name(parent regclass, schema name, suffix text)
returns name
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  base text;
  ending text := '_' || suffix;
  attempt integer := 1;
begin
  loop
    select c.relname into base from pg_catalog.pg_class c where c.oid = parent;
    while octet_length(base) + octet_length(ending) > 63 loop
      base := left(base, -1);
    end loop;
    exit when not exists (
      select 1
      from pg_catalog.pg_namespace n
      where n.nspname = schema
        and (
          exists (select 1 from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = base || ending)
          or exists (select 1 from pg_catalog.pg_type t where t.typnamespace = n.oid and t.typname = base || ending)
        )
    );
    attempt := attempt + 1;
    ending := format('_%s_%s', suffix, attempt);
  end loop;
  return base || ending;
end;
$$;

comment on function nightshift.free_partition_name is
  'The name of a new partition: that of its table, cut to fit into 63 bytes, an underscore, the suffix; with _2, _3 and so on when it is taken.';

-- supabase/schema/partition/held_partition_policy.sql

create or replace function nightshift.held_partition_policy(name text)
returns nightshift.partition_policies
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
begin
  select p.* into policy
  from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(name) and p.enabled and p.retention is not null
  for share;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy with a retention that is switched on', name),
      hint = 'It was removed, switched off or renamed since the run began.';
  end if;
  perform nightshift.check_partition_policy(policy);
  return policy;
end;
$$;

comment on function nightshift.held_partition_policy is
  'The policy of a table by its name, held as it is until the transaction ends. Errors: NS404, NS422.';

-- supabase/schema/partition/hold_partition_run.sql

create or replace function nightshift.hold_partition_run(run_id uuid, fence bigint, lock_timeout_ms integer)
returns nightshift.runs
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions change under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see, under the lock, what changed before it.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run changes nothing', hint = 'Begin a run without dry_run.';
  end if;
  if lock_timeout_ms is null or lock_timeout_ms not between 1 and 5000 then
    raise exception using
      errcode = 'NS422',
      message = 'lock_timeout_ms must be from 1 to 5000',
      hint = 'It is how long others may queue behind a lock that is not to be had; begin with 100, and repeat.';
  end if;
  perform set_config('lock_timeout', lock_timeout_ms::text, true);
  return run;
end;
$$;

comment on function nightshift.hold_partition_run is
  'What every DDL of a run begins with: the fence, whether the run has to end, and how long it may wait for a lock (until the end of the transaction). Errors: NS409, NS410, NS422.';

-- supabase/schema/partition/in_days.sql

create or replace function nightshift.in_days(every interval)
returns interval
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when extract(epoch from in_days.every) % 86400 = 0 and extract(hour from in_days.every) > 0
    then justify_hours(in_days.every) else in_days.every end;
$$;

comment on function nightshift.in_days is 'Hours that are whole days, as days: 24 hours are a day in UTC.';

-- supabase/schema/partition/interval_start.sql

create or replace function nightshift.interval_start(every interval, at timestamp)
returns timestamp
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  months integer := extract(year from every) * 12 + extract(month from every);
begin
  if months = 0 then
    return date_bin(every, at, '2001-01-01');
  end if;
  return timestamp '2001-01-01' + make_interval(months => months * floor(
    (extract(year from at) * 12 + extract(month from at) - 24013) / months
  )::integer);
end;
$$;

comment on function nightshift.interval_start is
  'The start of the interval of the grid that holds a finite time, in UTC: weeks begin on Monday, quarters and years as in the calendar.';

-- supabase/schema/partition/intervals_of.sql

create or replace function nightshift.intervals_of(every interval, period tsmultirange)
returns table (lower timestamp, upper timestamp)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select greatest(lower(p.period), s.start), least(upper(p.period), s.start + intervals_of.every)
  from unnest(intervals_of.period) p(period)
  cross join lateral generate_series(
    nightshift.interval_start(intervals_of.every, lower(p.period)), upper(p.period), intervals_of.every
  ) s(start)
  where s.start < upper(p.period)
  order by 1;
end;
$$;

comment on function nightshift.intervals_of is 'Cuts what is missing along the grid of a policy: the bounds of the partitions to make.';

-- supabase/schema/partition/is_published.sql

create or replace function nightshift.is_published(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with tree(relid) as (
    select is_published.relation
    union
    select a.relid from pg_catalog.pg_partition_ancestors(is_published.relation) a(relid)
  )
  select exists (select 1 from pg_catalog.pg_publication p where p.puballtables)
    or exists (select 1 from pg_catalog.pg_publication_rel r where r.prrelid in (select t.relid from tree t))
    or exists (
      select 1 from pg_catalog.pg_publication_namespace n
      join pg_catalog.pg_class c on c.relnamespace = n.pnnspid
      where c.oid in (select t.relid from tree t)
    );
$$;

comment on function nightshift.is_published is 'Whether a publication sends the changes of a table, by itself or through its parents.';

-- supabase/schema/partition/list_partition_policies.sql

create or replace function nightshift.list_partition_policies(as_of timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set jit = off
as $$
declare
  parents oid[] := array(select p.parent::oid from nightshift.partition_policies p);
  context text;
begin
  return (
    select coalesce(jsonb_agg(s.document || jsonb_build_object(
      'partitionList', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'partition', r.partition::regclass::text,
          'from', nullif(r.lower, '-infinity') at time zone 'UTC',
          'to', nullif(r.upper, 'infinity') at time zone 'UTC',
          'isDefault', r.is_default,
          'isPending', r.pending
        ) order by r.is_default, r.lower), '[]')
        from nightshift.read_partitions(array[s.parent::oid]) r
      ),
      'movableRows', (
        select nightshift.count_movable_rows(p, as_of) from nightshift.partition_policies p where p.parent = s.parent
      ),
      'retired', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'partition', d.partition_name,
          'from', nullif(lower(d.period), '-infinity') at time zone 'UTC',
          'to', upper(d.period) at time zone 'UTC',
          'sizeBytes', d.size_bytes,
          'dropAfter', d.drop_after,
          'keptBecause', case when d.drop_after <= as_of then nightshift.why_not_drop(d, as_of) end
        ) order by d.period), '[]')
        from nightshift.retired_partitions d
        where d.parent = s.parent and d.status = 'detached'
      )
    ) order by s.parent::text), '[]')
    from nightshift.describe_partition_sets(parents, as_of) s
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_partition_policies is
  'Every policy with the state of its table (see describe_partition_sets), its partitions (partitionList: partition, from, to, isDefault, isPending: half detached), movableRows (how many rows a run would move out of the default partition; null without one, or where it is larger than 8 MB) and those retired that are still there (retired: partition, from, to, sizeBytes, dropAfter, keptBecause), as one JSON array.';

-- supabase/schema/partition/lock_for_change.sql

create or replace function nightshift.lock_for_change(parent regclass, default_partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What Postgres is going to lock at the other end of foreign keys: waited for later, with the table locked already, a
  -- writer of both would be in a deadlock.
  others regclass[] := array(
    select distinct o.relation::regclass
    from pg_catalog.pg_constraint k
    cross join lateral unnest(array[k.conrelid, k.confrelid]) o(relation)
    where lock_for_change.parent in (k.conrelid, k.confrelid) and k.contype = 'f' and k.conparentid = 0
      and o.relation <> lock_for_change.parent
    order by 1
  );
begin
  perform nightshift.lock_in_turn(
    array_remove(others || parent || default_partition, null),
    array_fill('share row exclusive'::text, array[cardinality(others)])
      || array_fill('access exclusive'::text, array[1 + num_nonnulls(default_partition)])
  );
end;
$$;

comment on function nightshift.lock_for_change is
  'Locks a table, its default partition and the tables at the other end of its foreign keys, so that rows can change partition or a partition can go. Waits no longer than lock_timeout in all.';

-- supabase/schema/partition/lock_holder.sql

create or replace function nightshift.lock_holder(relations regclass[], modes text[], age interval)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'relation', l.relation::regclass::text,
    'pid', l.pid,
    'application', nullif(a.application_name, ''),
    'role', a.usename,
    'since', coalesce(a.xact_start, p.prepared)
  )
  from unnest(relations, modes) t(relation, mode)
  join pg_catalog.pg_locks l on l.relation = t.relation::oid and l.granted and l.locktype = 'relation'
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and (t.mode <> 'share row exclusive' or l.mode not in ('AccessShareLock', 'RowShareLock'))
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  left join pg_catalog.pg_locks x on l.pid is null and x.virtualtransaction = l.virtualtransaction and x.locktype = 'transactionid'
  left join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
  -- An autovacuum gives way to who waits for it.
  where l.pid is distinct from pg_backend_pid() and a.backend_type is distinct from 'autovacuum worker'
    and coalesce(a.xact_start, p.prepared) < clock_timestamp() - lock_holder.age
  order by coalesce(a.xact_start, p.prepared)
  limit 1;
$$;

comment on function nightshift.lock_holder is
  'Who holds one of these tables in a way that conflicts with its mode (access exclusive or share row exclusive), in a transaction older than age, which is not likely to end in a moment: {relation, pid (null for a prepared transaction), application, role, since}, without its query; null for nobody, and for sessions that we may not see.';

-- supabase/schema/partition/lock_in_turn.sql

create or replace function nightshift.lock_in_turn(relations regclass[], modes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  patience constant text := current_setting('lock_timeout');
  give_up_at constant timestamptz := clock_timestamp() + patience::interval;
  holder jsonb;
  target record;
begin
  if patience <> '0' then
    -- Everyone who comes after us would queue behind us. What is ten times as old as we would wait is not about to end.
    holder := nightshift.lock_holder(relations, modes, 10 * patience::interval);
    if holder is not null then
      raise exception using
        errcode = '55P03',
        message = format('%s is locked by %s', holder ->> 'relation',
          coalesce('process ' || (holder ->> 'pid'), 'a prepared transaction')),
        detail = holder::text,
        hint = 'Wait until it ends, or end it with pg_terminate_backend or rollback prepared.';
    end if;
  end if;
  for target in select * from unnest(relations, modes) t(relation, mode) loop
    if patience <> '0' then
      perform set_config('lock_timeout', greatest(ceil(extract(epoch from give_up_at - clock_timestamp()) * 1000), 1)::text, true);
    end if;
    execute format('lock table only %s in %s mode', target.relation, target.mode);
  end loop;
  perform set_config('lock_timeout', patience, true);
end;
$$;

comment on function nightshift.lock_in_turn is
  'Locks tables one after the other, waiting for all of them together no longer than lock_timeout, and not at all behind a transaction that is ten times as old. Errors: 55P03, with what lock_holder says as its detail.';

-- supabase/schema/partition/measure_default_partition.sql

create or replace function nightshift.measure_default_partition(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set row_security = off
set timezone = 'UTC'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  total bigint := 0;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p
  where p.parent = nightshift.find_relation(table_name);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  if state.default_partition is null then
    return null;
  end if;
  if pg_relation_size(state.default_partition) > 0 then
    execute format('select count(*) from only %s', nightshift.trusted_name(state.default_partition)) into total;
  end if;
  return (
    select jsonb_build_object(
      'partition', state.default_partition::regclass::text,
      'rows', total,
      'movableRows', least(coalesce(sum(w.row_count), 0), total),
      'wanted', coalesce(jsonb_agg(jsonb_build_object(
        'from', lower(w.piece) at time zone 'UTC', 'to', upper(w.piece) at time zone 'UTC', 'rows', w.row_count
      ) order by w.piece), '[]')
    )
    from nightshift.partitions_wanted(policy, state) w
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_default_partition is
  'The rows in the default partition of a table: {partition, rows, movableRows, wanted: [{from, to, rows}]}; null when there is none. movableRows have a place that a run makes for them (wanted: with that, all the partitions it makes); the others lie beyond the horizon (a clock was wrong?), more than 1,000 intervals back, in the time of a retired partition, or have no time at all. statement_timeout 8 s. Errors: NS409, 57014 too large to count.';

-- supabase/schema/partition/move_rows.sql

create or replace function nightshift.move_rows(
  default_partition regclass,
  target regclass,
  columns text,
  key_column name,
  from_bound text,
  to_bound text
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  source constant text := nightshift.trusted_name(default_partition);
  period text := format('r.%1$I >= %2$s and r.%1$I < %3$s', key_column, from_bound, to_bound);
  key record;
  referenced boolean;
  triggers jsonb;
  moved bigint;
begin
  for key in select k.key, k.name, k.referencing from nightshift.referencing_keys(array[default_partition::oid]) k loop
    -- To a foreign key a row that moves is a row that is deleted, and its references may be deleted with it.
    execute format(
      'select exists (select from (select * from only %s r where %s) t where exists (select from %s x where %s))',
      source, period, nightshift.scan_of(key.referencing), nightshift.join_condition(key.key)
    ) into referenced;
    if referenced then
      raise exception using
        errcode = 'NS422',
        message = format('Rows of %s are referred to by foreign key %s, so they cannot move', default_partition, key.name),
        detail = 'Nothing was moved.',
        hint = 'Drop the foreign key, let Nightshift move the rows, and create it again as not valid; then validate it.';
    end if;
  end loop;
  if exists (select 1 from pg_catalog.pg_rewrite w where w.ev_class = default_partition) then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a rule, through which no row may move', default_partition),
      hint = 'Drop the rule, or move the rows by hand.';
  end if;
  set constraints all immediate;
  -- As far as the application is concerned, a row that moves is not deleted: its triggers are none the wiser.
  triggers := nightshift.mute_triggers(default_partition);
  execute format(
    'with gone as (delete from only %1$s r where %2$s returning %3$s) insert into %4$s (%3$s) select %3$s from gone',
    source, period, columns, nightshift.trusted_name(target)
  );
  get diagnostics moved = row_count;
  perform nightshift.unmute_triggers(default_partition, triggers);
  return moved;
end;
$$;

comment on function nightshift.move_rows is
  'Moves the rows of a period from the default partition, which is locked, to a table that nobody else can see yet. Triggers do not fire. Returns how many. Errors: NS422 when a foreign key refers to such rows.';

-- supabase/schema/partition/mute_triggers.sql

create or replace function nightshift.mute_triggers(relation regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
  states jsonb := '{}';
begin
  for trigger in
    select t.tgname, t.tgenabled from pg_catalog.pg_trigger t
    where t.tgrelid = relation and not t.tgisinternal and t.tgenabled <> 'D'
  loop
    execute format('alter table %s disable trigger %I', nightshift.trusted_name(relation), trigger.tgname);
    states := states || jsonb_build_object(trigger.tgname, trigger.tgenabled);
  end loop;
  return states;
end;
$$;

comment on function nightshift.mute_triggers is
  'Disables the triggers of a table, but for those of foreign keys, and returns them with their states, for unmute_triggers.';

-- supabase/schema/partition/note_detaching.sql

create or replace function nightshift.note_detaching(policy nightshift.partition_policies, partition oid, run_id uuid)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- What an earlier night wrote down and never did: since then it may have been attached with other bounds.
  delete from nightshift.retired_partitions d where d.partition::oid = note_detaching.partition and d.status = 'detaching';
  insert into nightshift.retired_partitions (
    partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes, estimated_rows, run_id
  )
  select
    r.partition, r.partition::regclass::text, policy.parent, policy.parent::text, r.from_bound, r.to_bound,
    tsrange(r.lower, r.upper), 'detaching', pg_total_relation_size(r.partition),
    nullif(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)), -1), note_detaching.run_id
  from nightshift.read_partitions(array[policy.parent::oid]) r
  join pg_catalog.pg_class c on c.oid = r.partition
  where r.partition = note_detaching.partition;
$$;

comment on function nightshift.note_detaching is 'Writes down that a partition is about to be detached, with its bounds.';

-- supabase/schema/partition/note_partitions.sql

create or replace function nightshift.note_partitions(run_id uuid, kind text, entries jsonb)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object('steps', coalesce(r.progress -> 'steps', '{}') || (
    select jsonb_object_agg(e.table_name,
      coalesce(r.progress #> array['steps', e.table_name], '{}') || jsonb_build_object(note_partitions.kind,
        coalesce(r.progress #> array['steps', e.table_name, note_partitions.kind], '[]') || e.partitions))
    from jsonb_each(note_partitions.entries) e(table_name, partitions)
  ))
  where r.id = note_partitions.run_id and note_partitions.entries <> '{}';
$$;

comment on function nightshift.note_partitions is
  'Writes what was done to tables (entries: {table: [partition]}; kind: created, retired, dropped) into the ledger, in the transaction that does it: it is true whatever becomes of the answer.';

-- supabase/schema/partition/partition_faults.sql

create or replace function nightshift.partition_faults(parents oid[])
returns table (parent oid, exposed oid[], exposed_to text, oversized oid[])
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with part as materialized (
    select i.inhparent as parent, c.oid as partition, c.relnamespace, c.relacl, c.relrowsecurity, c.relpages, c.reltoastrelid
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = any(partition_faults.parents)
  ),
  -- Without a grant, on itself or on a column, it is its owner's alone: most are.
  granted as materialized (
    select p.parent, p.partition, p.relnamespace, false as columns
    from part p
    where p.relacl is not null and (
      not p.relrowsecurity or exists (select 1 from pg_catalog.pg_policy o where o.polrelid = p.partition)
    )
    union all
    select p.parent, p.partition, p.relnamespace, true
    from part p
    join (
      select distinct d.objid
      from pg_catalog.pg_shdepend d
      where d.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = current_database())
        and d.classid = 'pg_catalog.pg_class'::regclass and d.objsubid > 0 and d.deptype = 'a'
    ) c on c.objid = p.partition
    where not p.relrowsecurity or exists (select 1 from pg_catalog.pg_policy o where o.polrelid = p.partition)
  ),
  exposed as (
    select g.parent, g.partition, r.rolname
    from granted g
    join pg_catalog.pg_class t on t.oid = g.parent
    cross join nightshift.api_roles() a(oid)
    join pg_catalog.pg_roles r on r.oid = a.oid
    where has_schema_privilege(r.oid, g.relnamespace, 'usage')
      and case when g.columns then has_any_column_privilege(r.oid, g.partition, 'select, insert, update')
        else has_table_privilege(r.oid, g.partition, 'select, insert, update, delete') end
      and (
        t.relrowsecurity
        or exists (
          select 1 from unnest(array['select', 'insert', 'update', 'delete']) v(privilege)
          where has_table_privilege(r.oid, g.partition, v.privilege) and not has_table_privilege(r.oid, t.oid, v.privilege)
        )
      )
  ),
  -- As of their last vacuum or analyze: their files cannot be looked at without a lock.
  oversized as (
    select p.parent, p.partition
    from part p
    cross join nightshift.settings s
    left join pg_catalog.pg_class t on t.oid = p.reltoastrelid
    cross join lateral (select p.relpages::bigint + coalesce(t.relpages, 0)) own(pages)
    -- The indexes are looked up where the rows, long values included, are a tenth of it.
    where own.pages * current_setting('block_size')::bigint > s.partition_alert_bytes / 10
      and current_setting('block_size')::bigint * (
        own.pages
        + (select coalesce(sum(x.relpages), 0) from pg_catalog.pg_index n join pg_catalog.pg_class x on x.oid = n.indexrelid
          where n.indrelid = p.partition)
      ) > s.partition_alert_bytes
  )
  select
    t.parent,
    array(select distinct e.partition from exposed e where e.parent = t.parent),
    (select string_agg(distinct e.rolname, ' and ' order by e.rolname) from exposed e where e.parent = t.parent),
    array(select o.partition from oversized o where o.parent = t.parent)
  from (select parent from exposed union select parent from oversized) t;
$$;

comment on function nightshift.partition_faults is
  'Of tables, the partitions that a role of the API can reach past the row level security or the grants of the table, policies of their own included (exposed), and those that were larger than settings.partition_alert_bytes when they were last analyzed (oversized).';

-- supabase/schema/partition/partition_key.sql

create or replace function nightshift.partition_key(parent regclass, out column_name name, out type regtype)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select a.attname, a.atttypid::regtype into column_name, type
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  where t.partrelid = partition_key.parent and t.partstrat = 'r' and t.partnatts = 1;
end;
$$;

comment on function nightshift.partition_key is
  'The column that a table is partitioned by, and its type; nulls unless that is by range of a single column.';

-- supabase/schema/partition/partition_suffix.sql

create or replace function nightshift.partition_suffix(every interval, lower timestamp)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select to_char(partition_suffix.lower, case
    when e.months > 0 and e.months % 12 = 0 and partition_suffix.lower = date_trunc('year', partition_suffix.lower)
      then 'YYYY'
    when e.months = 3 and partition_suffix.lower = date_trunc('quarter', partition_suffix.lower) then 'YYYY"_q"Q'
    when e.months > 0 and partition_suffix.lower = date_trunc('month', partition_suffix.lower) then 'YYYY_MM'
    when e.days > 0 and e.days % 7 = 0 and partition_suffix.lower = date_trunc('week', partition_suffix.lower)
      then 'IYYY"_w"IW'
    when e.months + e.days > 0 and partition_suffix.lower = date_trunc('day', partition_suffix.lower) then 'YYYY_MM_DD'
    when partition_suffix.lower = date_trunc('hour', partition_suffix.lower) then 'YYYY_MM_DD_HH24'
    else 'YYYY_MM_DD_HH24MISS'
  end)
  from (
    select
      (extract(year from partition_suffix.every) * 12 + extract(month from partition_suffix.every))::integer,
      extract(day from partition_suffix.every)::integer
  ) e(months, days);
$$;

comment on function nightshift.partition_suffix is
  'What a new partition is named after the table and an underscore, by its start: 2026, 2026_q1, 2026_01, 2026_w05 (ISO week), 2026_01_31, 2026_01_31_06; finer than the policy where the start is not on its grid.';

-- supabase/schema/partition/partition_warnings.sql

create or replace function nightshift.partition_warnings(
  policy nightshift.partition_policies,
  held tsmultirange,
  left_out tsmultirange,
  detached tsmultirange,
  cutoff timestamp,
  newest oid,
  odd oid[],
  pending oid[],
  kept oid[],
  exposed oid[],
  exposed_to text,
  oversized oid[],
  usual_gap interval
)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(w.warning), '[]')
  from (
    select format('%s can reach %s, but not what it holds through %s. Fix: select nightshift.secure_partitions(%L);',
      exposed_to, nightshift.name_some(exposed), policy.parent, policy.parent)
    where cardinality(exposed) > 0
    union all
    select format('%s takes all rows from %s on, so no partition can be made after it. Fix: detach it, and attach it again with an end.',
      newest::regclass, lower(r.period))
    from unnest(held) r(period)
    where upper_inf(r.period) or upper(r.period) = 'infinity'
    union all
    select format('%s refuses rows from %s to %s, because a run was interrupted or is under way; the next one mends it. Fix: alter table %s drop constraint nightshift_room_ahead;',
      e.default_partition, lower(e.period), upper(e.period), e.default_partition)
    from nightshift.default_exclusions e
    where e.parent = policy.parent
      and exists (select 1 from pg_catalog.pg_constraint k where k.conrelid = e.default_partition and k.conname = 'nightshift_room_ahead')
    union all
    select format('It has no partition from %s to %s, more than 1,000 intervals ago, and none is made there.', lower(r.period), upper(r.period))
    from unnest(left_out) r(period)
    where cutoff is null or upper(r.period) > cutoff
    union all
    select format('%s: not one interval of %s in UTC from bound to bound; new partitions are fitted around.', nightshift.name_some(odd), policy.every)
    where cardinality(odd) > 0
    union all
    select format('%s has the unique index %s, which new partitions will not have, because %s has none like it. Fix: create it there, with %I among its columns.',
      newest::regclass, x.indexrelid::regclass, policy.parent, (nightshift.partition_key(policy.parent)).column_name)
    from pg_catalog.pg_index x
    where x.indrelid = newest and x.indisunique
      and not exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = x.indexrelid)
    union all
    select format('It has no place for rows from %s to %s: that is the time of partitions that were retired, and would not be due now. To have one back: select nightshift.reattach_partition(...);',
      lower(r.period), upper(r.period))
    from unnest(detached) r(period)
    where cutoff is null or upper(r.period) > cutoff
    union all
    select format('%s is half detached, so its rows cannot be seen through the table. %s', p.partition::regclass, case
      when exists (
        select 1 from nightshift.retired_partitions d where d.partition::oid = p.partition and d.status = 'detaching'
      ) then format('The next run finishes it; to have it back: select nightshift.reattach_partition(%L);', p.partition::regclass)
      else format('Fix: alter table %s detach partition %s finalize;', policy.parent, p.partition::regclass) end)
    from unnest(pending) p(partition)
    union all
    select format('There is room for %s after the present partition, and the next run may be %s away. Fix: select nightshift.alter_partition_policy(%L, premake => %s); or a schedule that runs more often.',
      policy.premake * policy.every, usual_gap, policy.parent,
      ceil(extract(epoch from usual_gap) / extract(epoch from policy.every)))
    where policy.premake * policy.every < usual_gap
    union all
    select format('%s: due, but attached again by hand, so left alone until nightshift.alter_partition_policy is given a retention.', nightshift.name_some(kept))
    where cardinality(kept) > 0
    union all
    select format('%s refers to it and %s, so partitions with rows that it needs are not retired. Fix: %s',
      k.conrelid::regclass,
      case when r.retention is null then 'keeps its rows' else format('keeps its rows for %s', r.retention) end,
      case when r.parent is not null then format('select nightshift.alter_partition_policy(%L, retention => %L);', r.parent, policy.retention)
        else format('a retention policy for it that is no longer than %s.', policy.retention) end)
    from pg_catalog.pg_constraint k
    left join nightshift.partition_policies r on r.parent::oid = k.conrelid and r.enabled
    where policy.retention is not null and k.confrelid = policy.parent and k.contype = 'f' and k.conparentid = 0
      and k.conrelid <> k.confrelid
      and (r.retention <= policy.retention) is not true
      and not exists (
        select 1 from nightshift.retention_policies t
        where t.relation::oid = k.conrelid and t.enabled and t.drop_after <= policy.retention
      )
    union all
    select format('%s: larger than %s. Shorter intervals from now on: select nightshift.alter_partition_policy(%L, every => ...);',
      nightshift.name_some(oversized), pg_size_pretty(s.partition_alert_bytes), policy.parent)
    from nightshift.settings s
    where cardinality(oversized) > 0
  ) w(warning);
$$;

comment on function nightshift.partition_warnings is
  'What is wrong with the partitions of a table and not mended by a run, with the fix, as a JSON array of sentences.';

-- supabase/schema/partition/partitions_to_make.sql

create or replace function nightshift.partitions_to_make(
  policy nightshift.partition_policies,
  state nightshift.partition_state,
  max_rows bigint,
  may_scan boolean,
  out pieces tsrange[],
  out complete boolean,
  out is_proven boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  exclusion record;
  grain interval;
  wanted record;
begin
  is_proven := false;
  if not may_scan then
    -- What Postgres need not read the default partition for.
    exclusion := nightshift.exclusion_of(policy.parent);
    select coalesce(array_agg(i.piece order by i.piece) filter (
      where exclusion.is_proven and exclusion.default_partition = state.default_partition and i.piece <@ exclusion.period
    ), '{}') into pieces
    from (select tsrange(m.lower, m.upper) as piece from nightshift.intervals_of(policy.every, state.missing) m) i;
    is_proven := pieces <> '{}';
    complete := not is_proven and isempty(state.missing)
      and not exists (select from nightshift.partitions_wanted(policy, state));
    return;
  end if;

  -- With rows or without them: a row that cannot move keeps no room ahead from being made.
  select
    array_agg(p.piece order by p.turn) as ordered,
    array_agg(p.piece order by p.turn) filter (where p.total <= max_rows and p.filled in (0, p.turn)) as few
  into wanted
  from (
    select t.piece, t.turn, sum(t.row_count) over (order by t.turn) as total,
      count(*) filter (where t.row_count > 0) over (order by t.turn) as filled
    from (
      -- The future, the present, then the past from new to old.
      select w.piece, w.row_count, row_number() over (
        order by upper(w.piece) <= state.begun, lower(w.piece) < state.begun + policy.every,
          abs(extract(epoch from lower(w.piece) - state.begun))
      ) as turn
      from nightshift.partitions_wanted(policy, state) w
    ) t
  ) p;
  pieces := coalesce(wanted.few, '{}');
  complete := cardinality(pieces) = coalesce(cardinality(wanted.ordered), 0);
  if pieces = '{}' and wanted.ordered is not null then
    -- Too many for one partition at a time: as much of it as max_rows allows, from an hour (or a day) upwards.
    grain := case when state.key_type = 'date'::regtype then '1 day' else '1 hour' end;
    select array[tsrange(lower(wanted.ordered[1]), coalesce(max(c.upper) filter (where c.total <= max_rows), min(c.upper), upper(wanted.ordered[1])))]
    into pieces
    from (
      select n.upper, sum(n.row_count) over (order by n.lower) as total
      from nightshift.count_between(policy, state.default_partition, array(
        select s.at from generate_series(lower(wanted.ordered[1]), upper(wanted.ordered[1]) - grain, grain) s(at)
        union all
        select upper(wanted.ordered[1])
      )) n
    ) c;
    complete := pieces = wanted.ordered;
  end if;
end;
$$;

comment on function nightshift.partitions_to_make is
  'The periods of the partitions that one transaction makes, in turn: those of the future, of the present, then gaps from new to old, with up to max_rows rows of a default partition in all; an interval that holds more than that is made in parts. Unless the default partition may be read under the lock (may_scan), only those that Postgres need not read it for (is_proven). complete: nothing remains after them.';

-- supabase/schema/partition/partitions_wanted.sql

create or replace function nightshift.partitions_wanted(policy nightshift.partition_policies, state nightshift.partition_state)
returns table (piece tsrange, row_count bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  counted tsrange[] := '{}';
  counts bigint[] := '{}';
  filled tsmultirange := '{}';
  oldest timestamp;
begin
  if state.default_partition is not null and pg_relation_size(state.default_partition) > 0 then
    -- Rows beyond the horizon wait for it to come to them; if a clock was wrong, it never does.
    select array_agg(tsrange(c.lower, c.upper)), array_agg(c.row_count), range_agg(tsrange(c.lower, c.upper))
    into counted, counts, filled
    from nightshift.count_between(policy, state.default_partition, array(
      select s.at
      from generate_series(state.begun - 1000 * policy.every, state.begun + (policy.premake + 1) * policy.every, policy.every) s(at)
      union
      -- Where an odd partition cuts an interval, each side is counted for itself.
      select b.at
      from unnest(state.held + state.detached) h(period)
      cross join lateral (values (lower(h.period)), (upper(h.period))) b(at)
      where b.at > state.begun - 1000 * policy.every and b.at < state.begun + (policy.premake + 1) * policy.every
      order by 1
    )) c;
  end if;
  -- Once the first of these rows have their partition, what lies between it and the others is a gap.
  oldest := case when lower(filled) is not null
    then greatest(lower(filled), nightshift.interval_start(policy.every, state.cutoff)) end;
  return query
  select tsrange(i.lower, i.upper), c.row_count
  from nightshift.intervals_of(
    policy.every,
    state.missing + coalesce(filled, '{}')
      + case when oldest < state.begun then tsmultirange(tsrange(oldest, state.begun)) else '{}' end
      - state.held - state.detached
  ) i
  cross join lateral (
    select coalesce(sum(c.row_count)::bigint, 0)
    from unnest(counted, counts) c(period, row_count)
    where c.period && tsrange(i.lower, i.upper)
  ) c(row_count)
  where c.row_count > 0 or (i.upper <= state.cutoff) is not true;
end;
$$;

comment on function nightshift.partitions_wanted is
  'The periods of the partitions that a table lacks, those for rows of its default partition included, and how many such rows there are for each.';

-- supabase/schema/partition/plan_partition_maintenance.sql

-- The plan of partition maintenance: what a run will do to which table, and what there is to see.
-- Why: one call for all tables, so that a night on which nothing is due is one look and no DDL.
-- Locks: none on those of the application, but for measure_default_partition,
--        which reads the partition.

create or replace function nightshift.plan_partition_maintenance(run_id uuid, fence bigint, only_tables text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs := nightshift.extend_lease(run_id, fence);
  chosen oid[];
begin
  perform nightshift.require_partition_policies(only_tables);
  chosen := array(
    select p.parent::oid from nightshift.partition_policies p
    where p.enabled
      and (only_tables is null or p.parent in (select nightshift.find_relation(o) from unnest(only_tables) o))
  );
  if not run.dry_run then
    -- What people did meanwhile, by hand.
    update nightshift.retired_partitions d
    set status = case when c.oid is null then 'gone' else 'reattached' end, ended_at = clock_timestamp()
    from nightshift.retired_partitions r
    left join pg_catalog.pg_class c on c.oid = r.partition
    where r.id = d.id and d.status = 'detached' and (c.oid is null or c.relispartition);
    -- Half detached by them, and due: this run finishes it, as one of its own. It is rare, and to read all bounds is not cheap.
    if exists (select 1 from pg_catalog.pg_inherits i where i.inhdetachpending) then
      perform nightshift.note_detaching(p, r.partition, run.id)
      from nightshift.read_partitions(chosen) r
      join nightshift.partition_policies p on p.parent::oid = r.parent
      where r.pending and r.upper <= least(run.started_at, now()) at time zone 'UTC' - p.retention
        and not exists (
          select 1 from nightshift.retired_partitions d where d.partition::oid = r.partition and d.status = 'detaching'
        );
    end if;
  end if;

  return jsonb_build_object(
    'tables', (
      -- What refers to others first: its partitions hold theirs.
      select coalesce(jsonb_agg(s.document order by r.referred desc, s.parent::text), '[]')
      from nightshift.describe_partition_sets(chosen, run.started_at) s
      join nightshift.referred_tables(chosen) r on r.parent = s.parent::oid
    ),
    'drops', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'partition', d.partition_name,
        'table', d.parent::text,
        'sizeBytes', d.size_bytes,
        'keptBecause', nightshift.why_not_drop(d, run.started_at),
        'hasForeignKeys', exists (
          select 1 from pg_catalog.pg_constraint k where k.conrelid = d.partition and k.contype = 'f'
        )
      ) order by d.period), '[]')
      from nightshift.retired_partitions d
      where d.status = 'detached' and d.drop_after <= least(run.started_at, now()) and d.parent::oid = any(chosen)
    ),
    'unfinished', (
      select coalesce(jsonb_agg(jsonb_build_object('partition', d.partition_name, 'table', d.parent::text) order by d.id), '[]')
      from nightshift.retired_partitions d
      -- Also of a policy that was removed or switched off since.
      where d.status = 'detaching' and (d.parent::oid = any(chosen) or only_tables is null)
    ),
    'disabled', (
      select coalesce(jsonb_agg(p.parent::text order by p.parent::text), '[]')
      from nightshift.partition_policies p
      where not p.enabled and (only_tables is null or p.parent in (select nightshift.find_relation(o) from unnest(only_tables) o))
    )
  );
end;
$$;

comment on function nightshift.plan_partition_maintenance is
  'The tables with an enabled policy and their state (tables: see describe_partition_sets; each before those that it refers to), retired partitions whose grace period is over (drops; keptBecause says why one stays), detaches that were interrupted (unfinished; of those that people began, what is due), and tables whose policy is switched off. only_tables: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';

-- supabase/schema/partition/preview_retirement.sql

create or replace function nightshift.preview_retirement(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  context text;
begin
  select p.* into policy from nightshift.partition_policies p where p.parent = nightshift.find_relation(table_name);
  perform nightshift.check_partition_policy(policy);
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('partition', d.partition::regclass::text, 'reason', w.reason) order by d.position), '[]')
    from unnest(state.due) with ordinality d(partition, position)
    cross join lateral nightshift.why_not_retire(policy, d.partition) w(reason)
    where w.reason is not null
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.preview_retirement is
  'For a dry run: the due partitions of a table that a run would not retire, [{partition, reason}]. Errors: NS409, 55P03.';

-- supabase/schema/partition/read_partitions.sql

create or replace function nightshift.read_partitions(parents oid[])
returns table (
  parent oid, partition oid, is_default boolean, pending boolean, from_bound text, to_bound text, lower timestamp, upper timestamp
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
#variable_conflict use_column
begin
  return query
  select
    p.parent::oid, c.oid, e.bounds is null, i.inhdetachpending, l.from_bound, l.to_bound,
    -- In UTC, what is printed of a date and of either kind of timestamp reads the same as a timestamp; but a date can lie
    -- where no timestamp does.
    case when a.atttypid = 'date'::regtype and l.from_bound <> 'MINVALUE' and trim(both '''' from l.from_bound)::date < '4713-01-01 BC' then '-infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.from_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.from_bound, 'MINVALUE', '-infinity'))::timestamp end,
    case when a.atttypid = 'date'::regtype and l.to_bound <> 'MAXVALUE' and trim(both '''' from l.to_bound)::date > '294276-01-01' then 'infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.to_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.to_bound, 'MAXVALUE', 'infinity'))::timestamp end
  from nightshift.partition_policies p
  join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent and t.partstrat = 'r' and t.partnatts = 1
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  join pg_catalog.pg_inherits i on i.inhparent = p.parent
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  -- Without the table, which a bound does not need, pg_get_expr takes no lock on it.
  cross join lateral (select nullif(pg_get_expr(c.relpartbound, 0), 'DEFAULT') offset 0) e(bounds)
  cross join lateral (
    select split_part(substr(e.bounds, 18), ') TO (', 1), rtrim(split_part(e.bounds, ') TO (', 2), ')')
  ) l(from_bound, to_bound)
  where p.parent::oid = any(read_partitions.parents);
end;
$$;

comment on function nightshift.read_partitions is
  'The partitions of tables with a policy: bounds as SQL has them, and as times in UTC; infinite without a bound, null for the default partition. pending: interrupted while being detached concurrently.';

-- supabase/schema/partition/reattach_partition.sql

create or replace function nightshift.reattach_partition(partition regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
set jit = off
as $$
declare
  parent_name text;
  partition_name text;
  record nightshift.retired_partitions;
  default_partition regclass;
  failed_table text;
  violated text;
  explained record;
  context text;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition = reattach_partition.partition and d.status in ('detached', 'detaching')
  order by d.id desc
  limit 1
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Nightshift has not retired %s', partition),
      detail = format('Retired and still there: %s', coalesce((
        select string_agg(d.partition_name, ', ' order by d.id) from nightshift.retired_partitions d where d.status = 'detached'
      ), 'none')),
      hint = 'One that was dropped is gone: restore it from a backup.';
  end if;
  partition_name := nightshift.trusted_name(partition);
  if exists (
    select 1 from pg_catalog.pg_inherits i
    where i.inhrelid = partition and i.inhparent = record.parent and i.inhdetachpending
  ) then
    execute format('alter table %s detach partition %s finalize', nightshift.trusted_name(record.parent), partition_name);
  elsif (select c.relispartition from pg_catalog.pg_class c where c.oid = partition) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is attached to a table', partition),
      hint = 'There is nothing to do.';
  end if;
  select nullif(t.partdefid, 0) into default_partition
  from pg_catalog.pg_partitioned_table t where t.partrelid = record.parent;
  if default_partition is null then
    execute format('lock table only %s in share update exclusive mode', record.parent);
  else
    perform nightshift.lock_for_change(record.parent, default_partition);
  end if;
  parent_name := nightshift.trusted_name(record.parent);
  perform nightshift.require_checked_keys(record.parent, partition);
  execute format('alter table %s drop constraint if exists nightshift_retired', partition_name);
  begin
    execute format('alter table %s attach partition %s for values from (%s) to (%s)',
      parent_name, partition_name, record.from_bound, record.to_bound);
  exception
    when integrity_constraint_violation or invalid_object_definition or invalid_table_definition or datatype_mismatch
      or undefined_column or undefined_object
    then
      get stacked diagnostics failed_table = table_name, violated = constraint_name;
      select e.* into explained from nightshift.explain_attach_failure(record, sqlstate, sqlerrm, failed_table, violated) e;
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = explained.detail,
        hint = explained.hint;
  end;
  update nightshift.retired_partitions d set status = 'reattached', ended_at = clock_timestamp() where d.id = record.id;
  return jsonb_build_object('partition', partition::text, 'table', record.parent::text);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.reattach_partition is
  'Makes a retired partition, or one that is half detached, part of its table again, with the bounds it had. It is not retired again until nightshift.alter_partition_policy is given a retention. Waits for locks at most 2 s; reads the partition once. It stays closed to the API: who may read it reads the table. Returns {partition, table}. Errors: NS404, NS422 its time is taken, 55P03.';

-- supabase/schema/partition/referred_tables.sql

create or replace function nightshift.referred_tables(parents oid[])
returns table (parent oid, referred integer)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive refers as materialized (
    select distinct k.conrelid as parent, k.confrelid as referred
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conrelid = any(parents) and k.confrelid = any(parents) and k.conrelid <> k.confrelid
  ),
  reached(parent, referred) as (
    select r.parent, r.referred from refers r
    union
    select a.parent, r.referred from reached a join refers r on r.parent = a.referred
  )
  select p.parent, count(a.referred)::integer
  from unnest(parents) p(parent)
  left join reached a on a.parent = p.parent
  group by p.parent;
$$;

comment on function nightshift.referred_tables is
  'To how many of the others each of these tables refers by foreign keys, directly or through others. In descending order each comes before those that it refers to, unless they refer to each other in a circle.';

-- supabase/schema/partition/release_default.sql

create or replace function nightshift.release_default(run_id uuid, fence bigint, table_name text, lock_timeout_ms integer default 100)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  -- A run that was cancelled has to clear up as well.
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  context text;
begin
  perform set_config('lock_timeout', greatest(lock_timeout_ms, 1)::text, true);
  perform nightshift.drop_exclusion(nightshift.find_relation(table_name));
  return '{"outcome": "released"}';
exception
  when lock_not_available or deadlock_detected then
    return '{"outcome": "busy"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.release_default is
  'Drops the constraint of exclude_from_default, of this run or of one that was interrupted. Harmless without it. Returns {outcome: released | busy}. Errors: NS409.';

-- supabase/schema/partition/remove_partition_policy.sql

create or replace function nightshift.remove_partition_policy(parent regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.partition_policies;
  context text;
begin
  perform nightshift.drop_exclusion(parent);
  delete from nightshift.partition_policies p where p.parent = remove_partition_policy.parent returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.parent::text, ', ' order by p.parent::text) from nightshift.partition_policies p), 'no table')),
      hint = 'Name the table with its schema. One that was dropped goes by its oid.';
  end if;
  return nightshift.describe_partition_policy(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.remove_partition_policy is
  'Removes the policy of a table; its partitions stay as they are, and what was detached is never dropped. Returns what was removed. Errors: NS404.';

-- supabase/schema/partition/require_few_due.sql

create or replace function nightshift.require_few_due(policy nightshift.partition_policies, state nightshift.partition_state, run nightshift.runs)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal text := nightshift.why_not_retire_so_many(policy, cardinality(state.due), state.begun_partitions);
begin
  if refusal is not null and not coalesce((run.input ->> 'force')::boolean, false) then
    raise exception using
      errcode = 'NS428',
      message = refusal,
      detail = format('None of %s was retired.', policy.parent),
      hint = format(
        'If it is meant: POST /jobs/partition-maintenance/runs with %s, or raise max_fraction with nightshift.alter_partition_policy. Room ahead is made all the same.',
        jsonb_build_object('only', jsonb_build_array(policy.parent::text), 'force', true)
      );
  end if;
end;
$$;

comment on function nightshift.require_few_due is
  'The brake: raises NS428 when a run would retire more than max_fraction of the partitions that have begun, unless it was given force.';

-- supabase/schema/partition/require_partition_policies.sql

create or replace function nightshift.require_partition_policies(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where not exists (
    select 1 from nightshift.partition_policies p where p.parent = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No partition policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.parent::text, ', ' order by p.parent::text) from nightshift.partition_policies p), 'no table')),
      hint = 'Name tables as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."DailyMetrics".';
  end if;
end;
$$;

comment on function nightshift.require_partition_policies is
  'Raises NS404, with the tables that have a partition policy, for names as SQL writes them that have none.';

-- supabase/schema/partition/require_period.sql

create or replace function nightshift.require_period(name text, period interval, example text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if period is null or not isfinite(period) or period <= '0'
    or least(
      extract(year from period), extract(month from period), extract(day from period),
      extract(hour from period), extract(minute from period), extract(second from period)
    ) < 0
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s must be a positive interval, not %s', name, coalesce(period::text, 'null')),
      hint = example;
  end if;
end;
$$;

comment on function nightshift.require_period is 'Raises NS422, with the example as the hint, unless the interval is positive in each of its fields.';

-- supabase/schema/partition/retire_partitions.sql

-- Retirement, the first step: a partition that is due is taken out of its table and written down.
-- Why: what is detached can be had back in a moment; what is dropped cannot.
-- Locks: ACCESS EXCLUSIVE on the table (SHARE UPDATE EXCLUSIVE over the direct
--        connection) and on the partition, SHARE ROW EXCLUSIVE on tables at the other end of foreign keys.

create or replace function nightshift.retire_partitions(
  run_id uuid,
  fence bigint,
  table_name text,
  lock_timeout_ms integer default 100
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set jit = off
as $$
declare
  look_until constant timestamptz := clock_timestamp() + interval '1 second';
  stop_at timestamptz;
  run nightshift.runs := nightshift.hold_partition_run(run_id, fence, lock_timeout_ms);
  policy nightshift.partition_policies := nightshift.held_partition_policy(table_name);
  state nightshift.partition_state;
  due oid;
  free oid[] := '{}';
  reason text;
  retired integer := 0;
  blocked jsonb := '[]';
  waiting boolean := false;
  context text;
  held jsonb;
  holder jsonb;
  detail text;
begin
  state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  perform nightshift.require_few_due(policy, state, run);
  -- Before anyone has to wait.
  foreach due in array state.due loop
    -- As many as the time allows; the others by the next call.
    waiting := free <> '{}' and clock_timestamp() > look_until;
    exit when waiting;
    reason := nightshift.why_not_retire(policy, due);
    if reason is not null then
      blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', reason);
      continue;
    end if;
    held := nightshift.lock_holder(array[due::regclass], '{access exclusive}', 10 * make_interval(secs => lock_timeout_ms / 1000.0));
    if held is null then
      free := free || due;
    end if;
    holder := coalesce(holder, held);
  end loop;
  if free = '{}' and holder is not null then
    return jsonb_build_object('outcome', 'busy', 'holder', holder, 'blocked', blocked);
  end if;
  waiting := waiting or holder is not null;
  if free <> '{}' then
    begin
      perform nightshift.lock_for_change(policy.parent, null);
    exception
      when lock_not_available or deadlock_detected then
        get stacked diagnostics detail = pg_exception_detail;
        return nightshift.describe_busy(detail) || jsonb_build_object('blocked', blocked);
    end;
    -- What Postgres reads when a partition is detached: nobody adds to it any more.
    perform nightshift.require_trusted_keys(policy.parent);
    state := nightshift.assess_partitions(array[policy.parent::oid], run.started_at);
  end if;
  stop_at := clock_timestamp() + interval '1 second';
  foreach due in array free loop
    continue when due <> all(state.due);
    if retired > 0 and clock_timestamp() > stop_at then
      waiting := true;
      exit;
    end if;
    begin
      perform nightshift.note_detaching(policy, due, run.id);
      execute format('alter table %s detach partition %s', nightshift.trusted_name(policy.parent), nightshift.trusted_name(due));
      perform nightshift.stamp_retired(policy, due, run.id);
      retired := retired + 1;
    exception
      when lock_not_available or deadlock_detected then
        waiting := true;
        exit;
      when foreign_key_violation then
        blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', 'rows of it are still needed by a foreign key');
      when syntax_error_or_access_rule_violation or object_not_in_prerequisite_state or feature_not_supported then
        blocked := blocked || jsonb_build_object('partition', due::regclass::text, 'reason', format('Postgres says: %s', sqlerrm));
    end;
  end loop;
  return jsonb_build_object(
    'outcome', case when waiting and retired = 0 then 'busy' when waiting then 'more' else 'retired' end,
    'holder', holder,
    'blocked', blocked
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.retire_partitions is
  'Detaches the due partitions of a table, as many as two seconds allow, and stamps them: see stamp_retired. A partition is due when it ended longer ago than retention; never the newest, never one attached again by hand. Returns {outcome: retired | more (call again) | busy (a lock was not to be had; holder: see lock_holder), blocked: [{partition, reason}]}. lock_timeout_ms: 1 to 5000, default 100. statement_timeout 8 s. Errors: NS404, NS409, NS410 cancelled or paused, NS422, NS428 more would go than max_fraction allows.';

-- supabase/schema/partition/scan_time_of.sql

create or replace function nightshift.scan_time_of(relation regclass)
returns interval
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
as $$
declare
  sample constant bigint := 1000;
  pages constant bigint := nightshift.pages_of(relation);
  leaf record;
  first_page bigint;
  rows_read bigint;
  begun_at timestamptz;
begin
  select l.relation, pg_relation_size(l.relation) / current_setting('block_size')::bigint as pages into leaf
  from nightshift.all_leaf_relations(scan_time_of.relation) l(relation)
  order by pages desc
  limit 1;
  if not found then
    return '0';
  end if;
  -- From its middle: what has just been written or read, and lies in memory, is at the ends.
  first_page := greatest(leaf.pages - sample, 0) / 2;
  begun_at := clock_timestamp();
  execute format('select count(*) from only %s r where r.ctid >= $1 and r.ctid < $2', nightshift.trusted_name(leaf.relation))
  into rows_read
  using ('(' || first_page || ',0)')::tid, ('(' || first_page + sample || ',0)')::tid;
  return (clock_timestamp() - begun_at) * greatest(pages::double precision / sample, 1);
end;
$$;

comment on function nightshift.scan_time_of is
  'About how long Postgres takes to read a table from end to end, with its partitions: told from 1,000 pages of it.';

-- supabase/schema/partition/secure_partition.sql

create or replace function nightshift.secure_partition(partition regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  grantee text;
begin
  execute format('alter table %s enable row level security', partition);
  for grantee in
    select 'public'
    union all
    select a::regrole::text from nightshift.api_roles() a
  loop
    execute format('revoke all on %s from %s cascade', partition, grantee);
  end loop;
end;
$$;

comment on function nightshift.secure_partition is
  'Takes a partition out of the reach of the API: row level security, and nothing granted to public and the roles of the API.';

-- supabase/schema/partition/secure_partitions.sql

-- How large partitions are and what they expose, and the way to close them.
-- Why: partitions inherit neither row level security nor the lack of a grant.
-- Locks: ACCESS EXCLUSIVE on each partition that is closed, for a moment.

create or replace function nightshift.secure_partitions(parent regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set jit = off
as $$
declare
  exposed oid[] := (select f.exposed from nightshift.partition_faults(array[secure_partitions.parent::oid]) f);
begin
  if not exists (select 1 from pg_catalog.pg_partitioned_table t where t.partrelid = parent) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a partitioned table', parent),
      hint = 'Name the table whose partitions are to be closed to the API.';
  end if;
  perform nightshift.secure_partition(p::regclass) from unnest(exposed) p;
  return (select coalesce(jsonb_agg(p::regclass::text order by p::regclass::text), '[]') from unnest(exposed) p);
end;
$$;

comment on function nightshift.secure_partitions is
  'Enables row level security on the partitions that the API exposes past their table, and revokes what anon and authenticated may do with them; through the table all stays as it is. For whoever owns the table. Locks each of them for a moment, waiting at most 1 s. Returns their names as a JSON array. Errors: NS422.';

-- supabase/schema/partition/stamp_retired.sql

create or replace function nightshift.stamp_retired(policy nightshift.partition_policies, partition regclass, run_id uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  record nightshift.retired_partitions;
  key record;
begin
  update nightshift.retired_partitions d
  set
    status = 'detached',
    retired_at = clock_timestamp(),
    drop_after = case policy.retire when 'drop' then clock_timestamp() + policy.grace end,
    run_id = stamp_retired.run_id
  where d.partition = stamp_retired.partition and d.status = 'detaching'
  returning d.* into record;
  -- Not of the policy, which may have been removed meanwhile.
  key := nightshift.partition_key(record.parent);
  -- On its own it is a table like any other: out of the reach of the API, and not for rows of another time.
  perform nightshift.secure_partition(partition);
  perform nightshift.drop_inherited_keys(record.parent, partition);
  execute format(
    'alter table %s add constraint nightshift_retired check (%s) not valid', nightshift.trusted_name(partition),
    concat_ws(' and ',
      format('%I is not null', key.column_name),
      case when record.from_bound <> 'MINVALUE' then format('%I >= %s', key.column_name, record.from_bound) end,
      format('%I < %s', key.column_name, record.to_bound))
  );
  perform nightshift.note_partitions(stamp_retired.run_id, 'retired', jsonb_build_object(record.parent::text,
    jsonb_build_array(nightshift.describe_retired(record))));
  return nightshift.describe_retired(record);
end;
$$;

comment on function nightshift.stamp_retired is
  'Writes down that a partition is detached and when it may be dropped, takes it out of the reach of the API, takes off the foreign keys of its table, and marks it with the constraint nightshift_retired, which keeps rows of another time out. Without a policy, by then removed, it is kept. Returns describe_retired.';

-- supabase/schema/partition/time_of_number.sql

create or replace function nightshift.time_of_number(bound text, type regtype, epoch text)
returns timestamp
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  with value(seconds) as (
    -- Not in a WHERE: Postgres may work out the value first, and MAXVALUE is no number.
    select case
      when time_of_number.bound in ('MINVALUE', 'MAXVALUE') then null
      when time_of_number.type = 'bigint'::regtype
        then trim(both '''' from time_of_number.bound)::numeric / case time_of_number.epoch when 'milliseconds' then 1000 else 1 end
      else ('x' || lpad(left(replace(trim(both '''' from time_of_number.bound), '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0
    end
  )
  select case
    when time_of_number.bound = 'MINVALUE' then '-infinity'
    when time_of_number.bound = 'MAXVALUE' then 'infinity'
    -- Outside of the years 1 to 9999 a number is no time.
    when v.seconds < -62135596800 then '-infinity'
    when v.seconds >= 253402300800 then 'infinity'
    else timestamp 'epoch' + make_interval(secs => v.seconds::double precision)
  end
  from value v;
$$;

comment on function nightshift.time_of_number is
  'The time in UTC of the bound of a bigint or of a uuid of version 7, as pg_get_expr prints it; infinite for MINVALUE and MAXVALUE. epoch: what a bigint counts.';

-- supabase/schema/partition/unmute_triggers.sql

create or replace function nightshift.unmute_triggers(relation regclass, states jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger record;
begin
  for trigger in select * from jsonb_each_text(states) t(name, state) loop
    execute format('alter table %s enable %s trigger %I', nightshift.trusted_name(relation),
      case trigger.state when 'R' then 'replica' when 'A' then 'always' else '' end, trigger.name);
  end loop;
end;
$$;

comment on function nightshift.unmute_triggers is 'Enables triggers again, each as it was.';

-- supabase/schema/partition/users_of.sql

create or replace function nightshift.users_of(relation oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(distinct u.name, ', ')
  from pg_catalog.pg_depend d
  left join pg_catalog.pg_rewrite w on d.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = d.objid
  left join pg_catalog.pg_constraint k on d.classid = 'pg_catalog.pg_constraint'::regclass and k.oid = d.objid
  cross join lateral (
    select case when w.oid is not null then pg_describe_object('pg_catalog.pg_class'::regclass, w.ev_class, 0)
      else pg_describe_object(d.classid, d.objid, 0) end
  ) u(name)
  where d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjid = users_of.relation
    and d.deptype = 'n'
    and (
      w.ev_class <> users_of.relation
      -- Copies of a key that refers to the partitioned table go when the partition does.
      or k.conrelid <> users_of.relation and k.conparentid = 0
      or d.classid = 'pg_catalog.pg_proc'::regclass
    );
$$;

comment on function nightshift.users_of is
  'What reads or needs a table by its name, for which it cannot be dropped: views, functions, foreign keys of other tables; null for nothing.';

-- supabase/schema/partition/usual_gap.sql

create or replace function nightshift.usual_gap(job text)
returns interval
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(max(r.started_at) - min(r.started_at), '1 day')
  from (
    select o.started_at
    from nightshift.runs o
    where o.job = usual_gap.job and o.trigger = 'schedule' and o.status <> 'skipped'
    order by o.started_at desc
    limit 2
  ) r
  having count(*) <> 1
  union all
  select interval '1 day'
  limit 1;
$$;

comment on function nightshift.usual_gap is 'The time between the last two scheduled runs of a job; a day while there are not two.';

-- supabase/schema/partition/validate_default.sql

create or replace function nightshift.validate_default(run_id uuid, fence bigint, table_name text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  exclusion record := nightshift.exclusion_of(nightshift.find_relation(table_name));
  context text;
begin
  if exclusion.default_partition is null then
    return '{"outcome": "refused"}';
  end if;
  execute format('lock table only %s in share update exclusive mode', nightshift.trusted_name(exclusion.default_partition));
  execute format('alter table %s validate constraint nightshift_room_ahead', nightshift.trusted_name(exclusion.default_partition));
  return '{"outcome": "validated"}';
exception
  when check_violation or undefined_object or lock_not_available or deadlock_detected then
    return '{"outcome": "refused"}';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.validate_default is
  'Reads the default partition of a table for what exclude_from_default keeps out of it, while readers and writers go on. Returns {outcome: validated | refused}: refused when there is such a row, or the constraint is gone. statement_timeout 8 s, another over the direct connection. Errors: NS409, 57014.';

-- supabase/schema/partition/why_not_drop.sql

create or replace function nightshift.why_not_drop(record nightshift.retired_partitions, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when c.oid is null then 'someone else dropped it'
    when c.relispartition then 'it is attached again'
    when c.relkind <> 'r' or c.oid::regclass::text <> record.partition_name then 'it was renamed or replaced'
    when exists (select 1 from pg_catalog.pg_inherits i where i.inhparent = c.oid) then 'other tables inherit from it'
    when not exists (
      select 1 from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.conname = 'nightshift_retired' and k.contype = 'c'
    ) then 'its constraint nightshift_retired was dropped'
    when p.parent is null then 'its table has no partition policy any more'
    when not p.enabled then 'the policy of its table is switched off'
    when p.retire <> 'drop' then 'the policy of its table says detach'
    when p.retention is null or upper(record.period) > least(why_not_drop.as_of, now()) at time zone 'UTC' - p.retention
      then 'it is not due any more: retention is longer now'
    when nightshift.users_of(c.oid) is not null then format('it is needed by %s', nightshift.users_of(c.oid))
    when greatest(record.drop_after, record.retired_at + p.grace) > least(why_not_drop.as_of, now()) then 'its grace period is not over'
  end
  from (select) one
  left join pg_catalog.pg_class c on c.oid = record.partition
  left join nightshift.partition_policies p on p.parent = record.parent;
$$;

comment on function nightshift.why_not_drop is
  'What speaks against dropping a retired partition now, in words; null for nothing. A table that someone has renamed, attached, or taken the constraint nightshift_retired from is no longer ours.';

-- supabase/schema/partition/why_not_retire.sql

create or replace function nightshift.why_not_retire(policy nightshift.partition_policies, partition regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  key record;
  referenced boolean;
  users text;
begin
  for key in select k.key, k.name, k.referencing from nightshift.referencing_keys(array[partition::oid]) k loop
    execute format('select exists (select from only %s t where exists (select from %s x where %s))',
      nightshift.trusted_name(partition), nightshift.scan_of(key.referencing), nightshift.join_condition(key.key)) into referenced;
    if referenced then
      return format('rows of it are still needed by foreign key %s', key.name);
    end if;
  end loop;
  if policy.retire = 'drop' then
    users := nightshift.users_of(partition);
    if users is not null then
      return format('it could not be dropped later: needed by %s', users);
    end if;
  end if;
  return null;
end;
$$;

comment on function nightshift.why_not_retire is
  'What keeps a due partition from being retired, in words: rows that foreign keys refer to or, when it is to be dropped, views and functions that read it by name; null for nothing.';

-- supabase/schema/partition/why_not_retire_so_many.sql

create or replace function nightshift.why_not_retire_so_many(policy nightshift.partition_policies, due integer, begun_partitions integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s of the %s partitions that have begun would be retired, more than max_fraction (%s) allows',
    why_not_retire_so_many.due, why_not_retire_so_many.begun_partitions, policy.max_fraction)
  where why_not_retire_so_many.due > policy.max_fraction * why_not_retire_so_many.begun_partitions;
$$;

comment on function nightshift.why_not_retire_so_many is
  'The brake, in words: more are due than max_fraction of the partitions that have begun; null when not.';

-- supabase/schema/refresh/add_refresh_policy.sql

create or replace function nightshift.add_refresh_policy(
  view regclass,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies;
begin
  policy.view := add_refresh_policy.view;
  policy.view_name := add_refresh_policy.view::text;
  policy.max_staleness := add_refresh_policy.max_staleness;
  policy.allow_blocking := coalesce(add_refresh_policy.allow_blocking, false);
  policy.enabled := coalesce(add_refresh_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_refresh_policy(policy);

  perform nightshift.follow_renames();
  if (nightshift.find_refresh_policy(policy.view_name)).view is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a refresh policy already', policy.view),
      hint = 'Change it with nightshift.alter_refresh_policy, or remove it first with nightshift.remove_refresh_policy.';
  end if;
  insert into nightshift.refresh_policies select policy.*;
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.add_refresh_policy is
  'Declares that Nightshift keeps a materialized view up to date. The caller must be allowed to refresh it. max_staleness: how old its data may become before it counts as stale, default 26 hours (a night and two hours of slack). A schedule leaves a change alone as long as the next one will still be in time; a call by hand does not. allow_blocking: whether it may be refreshed in the way that blocks its readers, where it cannot be refreshed concurrently; default false. Returns the policy and warnings. Errors: NS404, NS422, each with a hint that says the fix.';

-- supabase/schema/refresh/adopt_refresh_policies.sql

create or replace function nightshift.adopt_refresh_policies(
  schema text,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  adopted oid[] := '{}';
  view regclass;
  left_out jsonb := '[]';
  problem text;
  fix text;
begin
  if not exists (select 1 from pg_catalog.pg_namespace n where n.nspname = adopt_refresh_policies.schema) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schema %s', coalesce(quote_ident(adopt_refresh_policies.schema), 'null')),
      hint = 'Name it as it is, without quotes: nightshift.adopt_refresh_policies(''public'').';
  end if;
  for view in
    select c.oid::regclass
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = adopt_refresh_policies.schema
      and c.relkind = 'm'
      and (nightshift.find_refresh_policy(c.oid::regclass::text)).view is null
    order by c.oid::regclass::text
  loop
    begin
      perform nightshift.add_refresh_policy(view, adopt_refresh_policies.max_staleness, adopt_refresh_policies.allow_blocking);
      adopted := adopted || view::oid;
    exception
      when sqlstate 'NS422' then
        get stacked diagnostics problem = message_text, fix = pg_exception_hint;
        left_out := left_out || jsonb_build_object('view', view::text, 'problem', problem, 'fix', fix);
    end;
  end loop;
  if adopted = '{}' and left_out <> '[]' then
    raise exception using
      errcode = 'NS422',
      message = 'No view could be adopted: ' || problem,
      detail = format('It is the same, or the like, for %s.',
        (select string_agg(l ->> 'view', ', ') from jsonb_array_elements(left_out) l)),
      hint = fix;
  end if;
  -- Only now: a view that reads another one of them has nothing to be warned of.
  return (
    select coalesce(jsonb_agg(nightshift.describe_declared_policy(p) order by p.view_name), '[]')
    from nightshift.refresh_policies p
    where p.view::oid = any(adopted)
  ) || left_out;
end;
$$;

comment on function nightshift.adopt_refresh_policies is
  'Declares a policy for every materialized view of a schema that has none; the others keep theirs. Arguments as for add_refresh_policy. Returns the new policies with their warnings, as one JSON array, and after them the views that could not be adopted: {view, problem, fix}. Errors: NS404; NS422 when none could be.';

-- supabase/schema/refresh/alter_refresh_policy.sql

create or replace function nightshift.alter_refresh_policy(
  view regclass,
  max_staleness interval default null,
  allow_blocking boolean default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(alter_refresh_policy.view::text);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', view),
      hint = 'Declare one with nightshift.add_refresh_policy.';
  end if;
  update nightshift.refresh_policies p
  set
    max_staleness = coalesce(alter_refresh_policy.max_staleness, p.max_staleness),
    allow_blocking = coalesce(alter_refresh_policy.allow_blocking, p.allow_blocking),
    enabled = coalesce(alter_refresh_policy.enabled, p.enabled)
  where p.view = policy.view
  returning p.* into policy;
  policy.view := alter_refresh_policy.view;
  perform nightshift.check_refresh_policy(policy);
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.alter_refresh_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_refresh_policy does, and returns the policy. Waits while the view is being refreshed. Errors: NS404, NS422.';

-- supabase/schema/refresh/assess_view.sql

-- The plan of a refresh: which views need one now, and why.
-- Why: what has changed is told by the catalogs and the counters, in one call for all views.
-- Locks: none on those of the application.

create or replace function nightshift.assess_view(
  policy nightshift.refresh_policies,
  force boolean default false,
  as_of timestamptz default now(),
  counted_until timestamptz default null,
  composites oid[] default null
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
  state := nightshift.view_state(view, composites);
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
      '%s, but it was refreshed %s s ago; from %s UTC on it is again, or at once: POST /jobs/view-refresh/runs with %s',
      change, extract(epoch from as_of - policy.last_refreshed_at)::integer,
      to_char(rests_until at time zone 'UTC', 'HH24:MI:SS'),
      jsonb_build_object('only', jsonb_build_array(view::text), 'force', true)
    ));
  end if;
  return jsonb_build_object('reason', 'changed', 'detail', change, 'state', state);
end;
$$;

comment on function nightshift.assess_view is
  'Whether a view needs a refresh: {reason, detail in words, state: see view_state}. never: no refresh of it is on record, or it holds no data; stale: it changed, or may have, and is older than max_staleness; changed; forced; and, where it needs none: unchanged (knownAt: nothing had changed until then); recent: changed, but refreshed less than 10 seconds or its last duration ago; gone. counted_until, composites: as nightshift.counted_until and nightshift.composite_types had it before.';

-- supabase/schema/refresh/called_functions.sql

create or replace function nightshift.called_functions(query text)
returns table (function oid, calls text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  -- Postgres records no dependency on functions of its own, so the tree of the query has to say.
  with recursive called(function) as (
    select m[1]::oid
    from regexp_matches(called_functions.query, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
    union
    select below.oid
    from called
    cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = called.function offset 0) f
    left join lateral (select a.* from pg_catalog.pg_aggregate a where a.aggfnoid = f.oid offset 0) a on true
    cross join lateral (
      -- An aggregate is as trustworthy as what it is made of, a default argument or a body as what it calls.
      select s::oid
      from unnest(array[
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn,
        a.aggmfinalfn
      ]) s
      where s::oid <> 0
      union all
      select m[1]::oid
      from regexp_matches(
        concat(f.proargdefaults, f.prosqlbody), ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g'
      ) m
    ) below(oid)
  )
  select f.oid, concat(f.proargdefaults, f.prosqlbody)
  from called
  cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = called.function offset 0) f;
end;
$$;

comment on function nightshift.called_functions is
  'The functions that a query calls, given its tree as pg_rewrite keeps it: also through operators, aggregates, default arguments and SQL bodies, each with the trees of its own (calls).';

-- supabase/schema/refresh/check_refresh_policy.sql

create or replace function nightshift.check_refresh_policy(policy nightshift.refresh_policies)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to refresh that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  owner oid;
begin
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = policy.view and c.relkind = 'm') then
    raise exception using
      errcode = case when exists (select 1 from pg_catalog.pg_class c where c.oid = policy.view) then 'NS422' else 'NS404' end,
      message = format('%s is not a materialized view', coalesce(policy.view::text, 'null')),
      hint = 'Name one, with its schema: nightshift.add_refresh_policy(''public.sales_by_day'', ''26 hours'').';
  end if;
  select c.relowner into owner from pg_catalog.pg_class c where c.oid = policy.view;
  if not nightshift.may_refresh(caller, policy.view) then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not refresh it', policy.view, owner::regrole, caller),
      hint = 'Declare the policy as the owner of the view, or: ' || nightshift.grant_of_refresh(caller, policy.view);
  end if;
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if policy.max_staleness is null
    or not isfinite(policy.max_staleness)
    or least(
      extract(year from policy.max_staleness), extract(month from policy.max_staleness),
      extract(day from policy.max_staleness), extract(hour from policy.max_staleness),
      extract(minute from policy.max_staleness), extract(second from policy.max_staleness)
    ) < 0
    or policy.max_staleness <= '0'
  then
    raise exception using
      errcode = 'NS422',
      message = format('max_staleness must be a positive interval, not %s', coalesce(policy.max_staleness::text, 'null')),
      hint = 'Say how old the data of the view may become, for example ''26 hours'' for a view refreshed every night.';
  end if;
end;
$$;

comment on function nightshift.check_refresh_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy names a materialized view and a positive interval.';

-- supabase/schema/refresh/composite_types.sql

create or replace function nightshift.composite_types()
returns oid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(select c.oid from pg_catalog.pg_class c where c.relkind = 'c' order by c.oid);
end;
$$;

comment on function nightshift.composite_types is
  'The relations of all composite types. To find them, all of pg_class is read.';

-- supabase/schema/refresh/counted.sql

create or replace function nightshift.counted(relation regclass, uncounted bigint)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- TRUNCATE moves no counter, but the table to another file.
  return concat(
    pg_relation_filenode(counted.relation), ' ',
    pg_stat_get_tuples_inserted(counted.relation) + pg_stat_get_tuples_updated(counted.relation)
      + pg_stat_get_tuples_deleted(counted.relation) + counted.uncounted
  );
end;
$$;

comment on function nightshift.counted is
  'What changes with every write to a table: its file node, and the number of rows ever inserted, updated and deleted. uncounted: of those, what this transaction wrote.';

-- supabase/schema/refresh/counted_until.sql

create or replace function nightshift.counted_until(as_of timestamptz default now())
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- A session adds what it wrote to the counters when it comes to rest between transactions, and within a minute of
  -- that even where it has to wait for others; one that is at work may still owe what it wrote just before.
  select least(
    counted_until.as_of, now(),
    min(case a.state when 'disabled' then a.backend_start else least(a.xact_start, a.query_start) end)
  ) - interval '1 minute'
  from pg_catalog.pg_stat_activity a
  where a.datname = current_database()
    and a.pid <> pg_backend_pid()
    and a.state is distinct from 'idle'
    and a.backend_type not in ('autovacuum worker', 'walsender', 'parallel worker');
$$;

comment on function nightshift.counted_until is
  'All rows written before this moment are in the counters that view_state reads afterwards: one minute before as_of, or one minute before the oldest transaction or statement that is still open.';

-- supabase/schema/refresh/describe_declared_policy.sql

create or replace function nightshift.describe_declared_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select nightshift.describe_refresh_policy(policy) || jsonb_build_object(
    'warnings', nightshift.refresh_warnings(
      policy.view, nightshift.refresh_way(policy.view, policy.allow_blocking), nightshift.view_state(policy.view) ->> 'untracked'
    )
  );
$$;

comment on function nightshift.describe_declared_policy is
  'The JSON document of a policy with its warnings, as whoever declares it gets it.';

-- supabase/schema/refresh/describe_refresh.sql

create or replace function nightshift.describe_refresh(refresh nightshift.view_refreshes)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
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
$$;

comment on function nightshift.describe_refresh is 'The JSON document of a refresh.';

-- supabase/schema/refresh/describe_refresh_policy.sql

create or replace function nightshift.describe_refresh_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'view', coalesce(nightshift.view_of(policy)::text, policy.view_name),
    'maxStaleness', policy.max_staleness::text,
    'allowBlocking', policy.allow_blocking,
    'enabled', policy.enabled,
    'lastRefreshedAt', policy.last_refreshed_at,
    'lastRefreshMs', policy.last_refresh_ms
  );
$$;

comment on function nightshift.describe_refresh_policy is 'The JSON document of a policy.';

-- supabase/schema/refresh/describe_view.sql

create or replace function nightshift.describe_view(policy nightshift.refresh_policies, assessed jsonb, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  target regclass := nightshift.view_of(policy);
  way jsonb;
  entry jsonb := nightshift.describe_refresh_policy(policy) || (assessed - 'state');
begin
  if target is null then
    return entry || jsonb_build_object('dependsOn', '[]'::jsonb, 'warnings', '[]'::jsonb);
  end if;
  way := nightshift.refresh_way(target, policy.allow_blocking);
  return entry
    || way
    || jsonb_build_object(
      'dataAsOf', policy.data_as_of,
      'stalenessSeconds', greatest(extract(epoch from as_of - coalesce(policy.data_as_of, policy.created_at))::bigint, 0),
      'maxStalenessSeconds', extract(epoch from policy.max_staleness)::bigint,
      'dependsOn', (
        select coalesce(jsonb_agg(c.oid::regclass::text order by c.oid::regclass::text), '[]')
        from jsonb_object_keys(assessed #> '{state,sources}') s
        cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = s::oid and c.relkind = 'm' offset 0) c
        where exists (select from nightshift.policy_of_view(c.oid))
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
      'warnings', nightshift.refresh_warnings(target, way, assessed #>> '{state,untracked}')
    );
end;
$$;

comment on function nightshift.describe_view is
  'The policy, what assess_view and refresh_way say of its view, dataAsOf (its data is known to be that of this moment, or of a later one; null before the first refresh), stalenessSeconds (since then, or since the policy was declared), dependsOn (the views with a policy that it reads), usualMs (the longest of its last three refreshes), timedOut (the last refresh, or try of one, ran into the time limit), warnings.';

-- supabase/schema/refresh/find_refresh.sql

create or replace function nightshift.find_refresh(run_id uuid, view regclass)
returns nightshift.view_refreshes
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select v.*
  from nightshift.view_refreshes v
  where v.run_id = find_refresh.run_id and v.view = find_refresh.view and v.status = 'refreshed';
$$;

comment on function nightshift.find_refresh is 'The refresh of a view by a run, which makes at most one; null without one.';

-- supabase/schema/refresh/find_refresh_policy.sql

create or replace function nightshift.find_refresh_policy(name text)
returns nightshift.refresh_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.refresh_policies p
  where nightshift.view_of(p) = nightshift.find_view(find_refresh_policy.name)
    or nightshift.view_of(p) is null and p.view_name = find_refresh_policy.name
  limit 1;
$$;

comment on function nightshift.find_refresh_policy is
  'The policy of a view named as SQL writes it or, for a view that is gone, by the name it had last; null without one.';

-- supabase/schema/refresh/find_view.sql

create or replace function nightshift.find_view(name text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select c.oid::regclass
  from pg_catalog.pg_class c
  where c.oid = nightshift.find_relation(find_view.name) and c.relkind = 'm';
$$;

comment on function nightshift.find_view is
  'The materialized view of a name as SQL writes it, with its schema unless that is public, or null.';

-- supabase/schema/refresh/follow_renames.sql

create or replace function nightshift.follow_renames()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update nightshift.refresh_policies p
  set view_name = c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.oid = p.view and c.relkind = 'm' and p.view_name <> c.oid::regclass::text;
$$;

comment on function nightshift.follow_renames is 'Notes the present name of every view that has a policy.';

-- supabase/schema/refresh/grant_of_refresh.sql

create or replace function nightshift.grant_of_refresh(role_name name, view regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when current_setting('server_version_num')::integer >= 170000
    then format('grant maintain on %s to %I;', c.oid::regclass, role_name)
    else format('grant %I to %I;', pg_get_userbyid(c.relowner), role_name) end
  from pg_catalog.pg_class c
  where c.oid = grant_of_refresh.view;
$$;

comment on function nightshift.grant_of_refresh is 'The statement that lets a role refresh a view and takes nothing from anyone.';

-- supabase/schema/refresh/list_refresh_policies.sql

create or replace function nightshift.list_refresh_policies(as_of timestamptz default now())
returns jsonb
language sql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
set jit = off
as $$
  with types as materialized (select nightshift.composite_types() as composites)
  select coalesce(jsonb_agg(
    nightshift.describe_view(
      p, nightshift.assess_view(p, as_of => list_refresh_policies.as_of, composites => t.composites), list_refresh_policies.as_of
    )
    order by p.view_name
  ), '[]')
  from nightshift.refresh_policies p cross join types t;
$$;

comment on function nightshift.list_refresh_policies is
  'Every policy with the state of its view, as one JSON array: see describe_view.';

-- supabase/schema/refresh/may_refresh.sql

create or replace function nightshift.may_refresh(role_name name, view regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_has_role(role_name, (select c.relowner from pg_catalog.pg_class c where c.oid = view), 'usage') then
    return true;
  end if;
  -- Earlier versions do not know the word.
  return current_setting('server_version_num')::integer >= 170000 and has_table_privilege(role_name, view, 'maintain');
end;
$$;

comment on function nightshift.may_refresh is
  'Whether a role may refresh a view: it has the rights of its owner, or holds MAINTAIN on it, which exists since Postgres 17.';

-- supabase/schema/refresh/note_unchanged.sql

create or replace function nightshift.note_unchanged(assessed jsonb)
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
    where p.view = n.view and n.known_at > coalesce(p.data_as_of, '-infinity');
    exit when not found;
  end loop;
end;
$$;

comment on function nightshift.note_unchanged is
  'Notes of views that have not changed that they are as current as that says, and as what they read. assessed: by the oid of the view, what assess_view said.';

-- supabase/schema/refresh/plan_view_refresh.sql

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

-- supabase/schema/refresh/policy_of_view.sql

create or replace function nightshift.policy_of_view(view regclass)
returns setof nightshift.refresh_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.refresh_policies p
  -- Few can be meant: to ask each policy for its view would unpack what is known of every view, for each.
  where (p.view = policy_of_view.view or p.view_name = policy_of_view.view::text)
    and nightshift.view_of(p) = policy_of_view.view;
end;
$$;

comment on function nightshift.policy_of_view is 'The policy of a materialized view, if any: see view_of.';

-- supabase/schema/refresh/record_refresh_failure.sql

create or replace function nightshift.record_refresh_failure(
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
set jit = off
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

-- supabase/schema/refresh/refresh_policy_view.sql

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
  'Refreshes the view of a policy when it needs it (or force says so), and writes the refresh down in the same transaction. Waits for a lock at most half a second, or 2 s where no reader queues behind it, and not at all for a refresh by another session of Nightshift. A run refreshes a view at most once: repeated, its call returns the first answer. Returns {outcome: refreshed, detail, mode, modeReason, startedAt, durationMs, rows, sizeBytes, deadRows}, or {outcome: unchanged | recent | busy, detail}. Errors: NS404 the view is gone; NS422 it cannot be refreshed, or its query fails; 55P03 a lock was not to be had; NS425 repeat the call.';

-- supabase/schema/refresh/refresh_view.sql

-- The refresh: one view at a time, each in a transaction of its own.
-- Why: a refresh holds its locks until its transaction ends, and a view that fails must not undo the others.
-- Locks: those of REFRESH MATERIALIZED VIEW; readers never wait for more
--        than half a second for one that itself waits.

create or replace function nightshift.refresh_view(run_id uuid, fence bigint, view text, force boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
as $$
declare
  run nightshift.runs := nightshift.check_lease(run_id, fence);
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(refresh_view.view);
  context text;
begin
  perform nightshift.require_wanted(run);
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
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.refresh_view is
  'Refreshes one view for a run: see refresh_policy_view. Calls for different views may run side by side. statement_timeout 50 s over the API, which ends every call after 60 s. Errors: also NS409 lease lost, NS410 cancelled or paused.';

-- supabase/schema/refresh/refresh_warnings.sql

create or replace function nightshift.refresh_warnings(view regclass, way jsonb, untracked text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
  from (
    select format('%s. Fix: %s', refresh_warnings.way ->> 'problem', refresh_warnings.way ->> 'fix')
    where refresh_warnings.way ? 'problem'
    union all
    select format('It reads %s, which has no refresh policy, so nobody knows how old its data is. Fix: select nightshift.add_refresh_policy(%L);',
      r.relation, r.relation)
    from nightshift.views_read(refresh_warnings.view) r(relation)
    where not exists (select from nightshift.policy_of_view(r.relation) p where p.enabled)
    union all
    select format('It is refreshed every time, changed or not, because %s.', refresh_warnings.untracked)
    where refresh_warnings.untracked is not null
    union all
    select format('The API exposes it to %s, and row level security cannot apply to it. Fix: revoke all on %s from anon, authenticated;',
      string_agg(r.rolname, ' and ' order by r.rolname), refresh_warnings.view)
    from pg_catalog.pg_roles r
    where r.rolname in ('anon', 'authenticated')
      and has_table_privilege(r.oid, refresh_warnings.view, 'select')
    having count(*) > 0
  ) w(warning);
$$;

comment on function nightshift.refresh_warnings is
  'What will keep a view from being refreshed, keep its data older than it need be, or expose it, with the fix, as a JSON array of sentences. way: see refresh_way.';

-- supabase/schema/refresh/refresh_way.sql

create or replace function nightshift.refresh_way(view regclass, allow_blocking boolean)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  populated boolean;
  keyed boolean;
  empty oid[];
begin
  select c.relispopulated into populated from pg_catalog.pg_class c where c.oid = view;
  keyed := exists (
    select 1
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam
    where i.indrelid = view
      and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and m.amname = 'btree'
  );
  if not nightshift.may_refresh(current_user, view) then
    return jsonb_build_object(
      'problem', format('It belongs to %I, and %I may not refresh it',
        (select c.relowner::regrole from pg_catalog.pg_class c where c.oid = view), current_user),
      'fix', nightshift.grant_of_refresh(current_user, view)
    );
  end if;
  -- One that has a policy is filled first.
  empty := array(
    select r.relation::oid
    from nightshift.views_read(view) r(relation)
    join pg_catalog.pg_class c on c.oid = r.relation and not c.relispopulated
    where not exists (select from nightshift.policy_of_view(r.relation) p where p.enabled)
  );
  if cardinality(empty) > 0 then
    return jsonb_build_object(
      'problem', format('It reads %s, which holds no data and has no refresh policy', nightshift.name_some(empty)),
      'fix', format('select nightshift.add_refresh_policy(%L);', empty[1]::regclass)
    );
  end if;
  if not populated then
    return jsonb_build_object('mode', 'plain', 'modeReason', 'it holds no data yet, so nobody can read it');
  end if;
  if keyed then
    return jsonb_build_object('mode', 'concurrently', 'modeReason', 'readers go on reading');
  end if;
  if allow_blocking then
    return jsonb_build_object(
      'mode', 'plain', 'modeReason', 'it has no unique index on plain columns, and its policy allows blocking readers'
    );
  end if;
  return jsonb_build_object(
    'problem', 'It can only be refreshed in a way that blocks its readers: it has no unique index on plain columns',
    'fix', format('create unique index on %s (<the columns that tell its rows apart>); ', view)
      || format('or select nightshift.alter_refresh_policy(%L, allow_blocking => true);', view)
  );
end;
$$;

comment on function nightshift.refresh_way is
  'How a view can be refreshed: {mode: concurrently | plain, modeReason}, or {problem, fix} when it cannot. Plain when it holds no data, for nobody can read it then; concurrently when it has a valid unique index on plain columns; otherwise plain, which blocks readers, only when allow_blocking says so.';

-- supabase/schema/refresh/remove_refresh_policy.sql

create or replace function nightshift.remove_refresh_policy(view text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(remove_refresh_policy.view);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', remove_refresh_policy.view),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name the view with its schema, and with quotes where SQL needs them. A view that is gone goes by its last name.';
  end if;
  delete from nightshift.refresh_policies p where p.view = policy.view;
  return nightshift.describe_refresh_policy(policy);
end;
$$;

comment on function nightshift.remove_refresh_policy is
  'Removes the policy of a view, or of one that is gone by the name it had last; the view stays as it is. Waits while the view is being refreshed. Returns what was removed. Errors: NS404.';

-- supabase/schema/refresh/require_refresh_policies.sql

create or replace function nightshift.require_refresh_policies(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where (nightshift.find_refresh_policy(o)).view is null;
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No refresh policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name views as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."SalesByDay".';
  end if;

  select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ') into unknown
  from unnest(names) o
  cross join lateral nightshift.find_refresh_policy(o) p
  where not p.enabled;
  if unknown is not null then
    raise exception using
      errcode = 'NS422',
      message = format('Switched off: %s', unknown),
      hint = (
        select string_agg(format('select nightshift.alter_refresh_policy(%L, enabled => true);', o), ' ') from unnest(names) o
        where not (nightshift.find_refresh_policy(o)).enabled
      );
  end if;
end;
$$;

comment on function nightshift.require_refresh_policies is
  'Raises NS404, with the views that have a refresh policy, for names as SQL writes them that have none, and NS422 for those whose policy is switched off.';

-- supabase/schema/refresh/sources_as_of.sql

create or replace function nightshift.sources_as_of(view regclass)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when bool_and(p.data_as_of is not null) is not false
    then coalesce(min(p.data_as_of), 'infinity') else '-infinity' end
  from nightshift.views_read(sources_as_of.view) r(relation)
  left join lateral nightshift.policy_of_view(r.relation) p on true;
$$;

comment on function nightshift.sources_as_of is
  'How old the data is that a view would be made from now: data_as_of of the oldest view that it reads, -infinity when that of one is not known (it has no policy, or was not refreshed yet), infinity when it reads no view.';

-- supabase/schema/refresh/trim_view_refreshes.sql

create or replace function nightshift.trim_view_refreshes()
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
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
$$;

comment on function nightshift.trim_view_refreshes is
  'Deletes at most 1,000 records of refreshes older than settings.ledger_retention (default 90 days); returns how many. plan_view_refresh calls it.';

-- supabase/schema/refresh/view_of.sql

create or replace function nightshift.view_of(policy nightshift.refresh_policies)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select c.oid::regclass from pg_catalog.pg_class c where c.oid = policy.view and c.relkind = 'm'),
    (
      select v
      from nightshift.find_view(policy.view_name) v
      where not exists (
        select 1 from nightshift.refresh_policies o
        where o.view = v or o.view_name = policy.view_name and o.created_at > policy.created_at
      )
    )
  );
$$;

comment on function nightshift.view_of is
  'The view of a policy: the one it was declared for, whatever its name is now, or, when that is gone, the one that has taken its name. Null when there is neither.';

-- supabase/schema/refresh/view_reads.sql

create or replace function nightshift.view_reads(view regclass, partitions boolean default true)
returns table (relation regclass, kind "char")
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with recursive reads(relation, kind, inherited) as (
    select c.oid, c.relkind, false from pg_catalog.pg_class c where c.oid = view_reads.view
    union
    select c.oid, c.relkind, c.relhassubclass
    from reads r
    cross join lateral (
      select d.refobjid
      from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
      where w.ev_class = r.relation
        and d.refclassid = 'pg_catalog.pg_class'::regclass
        -- A materialized view below is read as it is; what it was made from is its own affair.
        and (r.kind = 'v' or r.relation = view_reads.view)
      union all
      select i.inhrelid
      from pg_catalog.pg_inherits i
      -- A partition whose detachment was interrupted is read no more.
      where view_reads.partitions and r.inherited and i.inhparent = r.relation and not i.inhdetachpending
    ) below(oid)
    join pg_catalog.pg_class c on c.oid = below.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.oid <> view_reads.view
  )
  select r.relation::regclass, r.kind from reads r where r.relation <> view_reads.view;
end;
$$;

comment on function nightshift.view_reads is
  'All that the query of a view reads, with its pg_class.relkind: through ordinary views, partitions and inheriting tables, down to tables and to other materialized views. partitions: whether with what inherits from tables, which may be a thousand for each.';

-- supabase/schema/refresh/view_state.sql

-- What a materialized view reads, and whether any of it has changed since the view was last refreshed.
-- Why: Postgres records neither; a night that refreshes what nobody touched costs as much as one that has to.
-- Locks: it reads the catalogs and the statistics.

create or replace function nightshift.view_state(view regclass, composites oid[] default null)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  read regclass[];
  readers regclass[];
  sources regclass[];
  own_code regprocedure[];
  clocks regprocedure[];
  tree text;
  trees text;
  untracked text;
begin
  select
    array_agg(r.relation),
    array_agg(r.relation) filter (where r.kind = 'v') || view,
    array_agg(r.relation) filter (where r.kind in ('r', 'm', 'f'))
  into read, readers, sources
  from nightshift.view_reads(view) r;
  readers := coalesce(readers, array[view]);
  select string_agg(concat(w.ev_class, w.ev_action), ',' order by w.oid) into tree
  from pg_catalog.pg_rewrite w
  where w.ev_class = any(readers);

  select
    concat(tree, string_agg(c.calls, '')),
    array_agg(f.oid) filter (where f.oid >= 16384),
    array_agg(f.oid order by f.oid desc) filter (where case
      when f.oid >= 16384 then f.provolatile <> 'i'
      -- Most stable functions of Postgres depend on settings alone, such as the time zone; these depend on more.
      else f.provolatile = 'v' or f.provolatile = 's' and f.proname ~ (
        '^(now|age|mxid_age|(statement|transaction)_timestamp|current_.*|session_user|system_user|getpgusername|version'
        '|_?pg_.*|has_.*|inet_.*|txid_.*|to_reg.*|.*_to_xml.*|cursor_to_.*|.*_description|row_security_active|enum_.*'
        '|format_type)$'
      )
    end)
  into trees, own_code, clocks
  from nightshift.called_functions(tree) c
  cross join lateral (select f.* from pg_catalog.pg_proc f where f.oid = c.function offset 0) f;

  untracked := coalesce(
    case when not current_setting('track_counts')::boolean then 'track_counts is off' end,
    case when not pg_has_role('pg_read_all_stats', 'usage') then
      format('%I may not see other sessions: grant pg_read_all_stats to %I', current_user, current_user) end,
    (select 'it reads ' || min(format('%s %s', case c.relkind when 'f' then 'the foreign table' else 'the sequence' end, c.oid::regclass))
      from pg_catalog.pg_class c where c.oid = any(read) and c.relkind in ('f', 'S')),
    'it calls ' || clocks[1]::text
      || case when clocks[1]::oid >= 16384 then ', which is not declared immutable' else '' end,
    case when trees ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR) ' then 'it uses the clock or the session (current_date and the like)' end,
    case when trees ~ '\{TABLESAMPLECLAUSE ' then 'it samples a table' end,
    -- The text of these values is the name of something, which may change.
    case when trees ~ ':(vartype|consttype|resulttype|funcresulttype|opresulttype) (24|220[2-6]|4089|4096|4191)\M'
      then 'it uses names of the catalog (such as regclass)' end,
    (select 'it reads ' || min(m[1]::oid::regclass::text) || ' of the system'
      from regexp_matches(trees, ':relid (\d+)', 'g') m where m[1]::oid between 1 and 16383),
    (select 'row level security applies on ' || min(source.oid::regclass::text)
      from pg_catalog.pg_class source, pg_catalog.pg_class reader
      where source.oid = any(read) and source.relkind in ('r', 'p') and source.relrowsecurity
        and reader.oid = any(readers)
        and (source.relforcerowsecurity or not pg_has_role(reader.relowner, source.relowner, 'usage'))
        and not exists (
          select 1 from pg_catalog.pg_roles o where o.oid = reader.relowner and (o.rolsuper or o.rolbypassrls)
        ))
  );

  return jsonb_build_object(
    'untracked', untracked,
    -- Counters begin anew when statistics are reset, after a crash, and on a standby that was promoted.
    'statistics', (
      select concat_ws(' ', extract(epoch from pg_postmaster_start_time()), extract(epoch from d.stats_reset),
        extract(epoch from b.stats_reset))
      from pg_catalog.pg_stat_database d, pg_catalog.pg_stat_bgwriter b
      where d.datname = current_database()
    ),
    'definition', md5(concat(
      tree,
      current_setting('TimeZone'), current_setting('DateStyle'),
      (
        select string_agg(concat(c.oid, c.relowner, c.reloptions), ',' order by c.oid)
        from pg_catalog.pg_class c where c.oid = any(readers)
      ),
      -- A row as a whole, as in to_jsonb(t), carries the names of its columns.
      (
        select string_agg(concat(a.attrelid, ' ', a.attnum, ' ', a.attname, ' ', a.atttypid), ',' order by a.attrelid, a.attnum)
        from (
          select m[1]::oid from regexp_matches(tree, ':relid (\d+)', 'g') m
          union
          select unnest(coalesce(composites, nightshift.composite_types()))
        ) r(oid)
        cross join lateral (select a.* from pg_catalog.pg_attribute a where a.attrelid = r.oid offset 0) a
        where a.attnum > 0 and not a.attisdropped
      ),
      (select string_agg(concat(e.oid, ' ', e.enumlabel), ',' order by e.oid) from pg_catalog.pg_enum e),
      case when trees ~ ':(consttype|resulttype|vartype) (3734|3769)\M' then concat(
        (select string_agg(concat(t.oid, ' ', t.xmin), ',' order by t.oid) from pg_catalog.pg_ts_config t),
        (select string_agg(concat(t.mapcfg, ' ', t.xmin), ',' order by t.mapcfg, t.maptokentype, t.mapseqno) from pg_catalog.pg_ts_config_map t),
        (select string_agg(concat(t.oid, ' ', t.xmin), ',' order by t.oid) from pg_catalog.pg_ts_dict t)
      ) end,
      -- What a function calls in its text cannot be followed; any other one may be it.
      case when exists (
        select 1 from unnest(own_code) f(oid)
        where not exists (
          select 1 from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e'
        )
      ) then (
        select string_agg(concat(f.oid, ' ', f.xmin), ',' order by f.oid)
        from pg_catalog.pg_proc f
        join pg_catalog.pg_namespace n on n.oid = f.pronamespace
        where f.oid >= 16384 and n.nspname not like 'pg\_temp%' and n.nspname <> 'nightshift'
      ) end
    )),
    'own', nightshift.counted(view, 0),
    'sources', (
      select coalesce(jsonb_object_agg(s::oid, nightshift.counted(s, 0)), '{}') from unnest(sources) s
    )
  );
end;
$$;

comment on function nightshift.view_state is
  'What changes whenever the query of a view may give another result: {untracked: why nobody can tell, in words, or null: the query depends on more than the rows of local tables, or the counters are not to be had; statistics: since when the counters count; definition: a digest of the view, of the views and functions below it, and of names and settings that results can depend on; sources: by oid, what each table read has counted; own: the same of the view itself}. composites: what composite_types says, where several views are asked about.';

-- supabase/schema/refresh/views_read.sql

create or replace function nightshift.views_read(view regclass)
returns setof regclass
language plpgsql
stable
rows 2
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select r.relation from nightshift.view_reads(views_read.view, false) r where r.kind = 'm';
end;
$$;

comment on function nightshift.views_read is
  'The materialized views that the query of a view reads, also through ordinary views.';

-- supabase/schema/refresh/what_changed.sql

create or replace function nightshift.what_changed(before jsonb, after jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when after ->> 'untracked' is not null then 'no counter can tell: ' || (after ->> 'untracked')
    when before ->> 'untracked' is not null then 'no counter could tell when it was refreshed: ' || (before ->> 'untracked')
    when before ->> 'definition' <> after ->> 'definition' then 'its definition, or something below it, changed'
    when before ->> 'statistics' <> after ->> 'statistics' then 'the counters of Postgres began anew'
    when before -> 'sources' <> after -> 'sources' then (
      select string_agg(s.name, ', ' order by s.place) filter (where s.place <= 3)
        || case when count(*) > 3 then format(' and %s more', count(*) - 3) else '' end
        || ' changed'
      from (
        select
          coalesce(c.oid::regclass::text, 'a table that is gone') as name,
          row_number() over (order by c.oid::regclass::text) as place
        from jsonb_each_text(before -> 'sources') b
        full join jsonb_each_text(after -> 'sources') a using (key)
        left join pg_catalog.pg_class c on c.oid = key::oid
        where a.value is distinct from b.value
      ) s
    )
    when before ->> 'own' is distinct from after ->> 'own' then 'another session refreshed it'
  end;
$$;

comment on function nightshift.what_changed is
  'What differs between two states of a view (see view_state), in words, or null when nothing does.';

-- supabase/schema/retention/add_counts.sql

create or replace function nightshift.add_counts(a jsonb, b jsonb)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(s.key, s.total), '{}')
    from (
      select e.key, sum(e.value::bigint) as total
      from (select * from jsonb_each_text(add_counts.a) union all select * from jsonb_each_text(add_counts.b)) e
      group by e.key
    ) s
  );
end;
$$;

comment on function nightshift.add_counts is 'Adds two JSON objects of counts key by key.';

-- supabase/schema/retention/add_key.sql

create or replace function nightshift.add_key(policy regclass, key oid, role text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  named record;
begin
  select c.conrelid::regclass as referencing, c.conname into named from pg_catalog.pg_constraint c where c.oid = add_key.key;
  if role = 'child' then
    perform nightshift.check_purgeable(named.referencing, 'with_children');
  elsif role = 'release' then
    perform nightshift.check_release(key);
  end if;
  insert into nightshift.retention_keys values (policy, named.referencing, named.conname, role) on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s is named twice', nightshift.key_in_words(key)),
      hint = 'Its rows can go with the row that they refer to, or let it go, or keep it: one of the three.';
  end if;
end;
$$;

comment on function nightshift.add_key is
  'Notes the role of a foreign key in a policy. Errors: NS422 when its rows cannot be deleted or released, or it has a role already.';

-- supabase/schema/retention/add_released.sql

create or replace function nightshift.add_released(steps jsonb, relation text, counts jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_set(steps, array[relation, 'released'], (
    select coalesce(jsonb_object_agg(e.key, e.value) filter (where e.value <> '0'), '{}')
    from jsonb_each(nightshift.add_counts(steps #> array[relation, 'released'], counts)) e
  ));
$$;

comment on function nightshift.add_released is 'Adds to the references that steps of a run count as released in one of them.';

-- supabase/schema/retention/add_retention_policy.sql

create or replace function nightshift.add_retention_policy(
  relation regclass,
  drop_after interval,
  marker_column name default 'deleted_at',
  flag_column name default null,
  max_fraction numeric default 0.5,
  enabled boolean default true,
  allow_short boolean default false,
  with_children text[] default null,
  release text[] default null,
  keep text[] default null,
  first_purge text default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
  context text;
begin
  policy.relation := add_retention_policy.relation;
  policy.relation_name := policy.relation::text;
  policy.drop_after := add_retention_policy.drop_after;
  policy.marker_column := add_retention_policy.marker_column;
  policy.flag_column := add_retention_policy.flag_column;
  policy.max_fraction := add_retention_policy.max_fraction;
  policy.enabled := coalesce(add_retention_policy.enabled, true);
  policy.first_purge := add_retention_policy.first_purge;
  policy.created_at := now();
  perform nightshift.follow_tables();
  perform nightshift.check_retention_policy(policy, allow_short);

  insert into nightshift.retention_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a retention policy already', policy.relation),
      hint = 'Change it with nightshift.alter_retention_policy, or remove it first with nightshift.remove_retention_policy.';
  end if;
  perform nightshift.declare_keys(policy.relation, with_children, release, keep);
  return nightshift.describe_declaration(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.add_retention_policy is
  'Declares that rows of relation may be purged once marker_column is older than drop_after (and flag_column is true, when given). The marker is a date, timestamp (read as UTC) or timestamptz, and needs an index. drop_after: at least 1 day unless allow_short. max_fraction: the largest share of the table one run may remove, default 0.5, and first_purge => ''all'' accepts once what is due now. with_children, release, keep: tables that refer to rows of relation, or to their children, with the foreign key''s columns where there are several, like ''public.messages(sender_id)'': their rows go with the row that they refer to; their reference is set to null or default, as the ON DELETE of the key says; or they may hold what they refer to and nobody needs to be told. Whatever else refers to a due row holds it. Returns the policy, warnings, and holders: tables that refer to its rows and of which it says nothing, each with how many due rows it would hold now (an estimate unless rowsExact) and the call that settles it. Errors: NS404, NS422, each with a hint that says the fix.';

-- supabase/schema/retention/advice_for_supabase_table.sql

-- What to do instead for tables that Supabase keeps for itself: each has a way of its own.

create or replace function nightshift.advice_for_supabase_table(relation regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when o.name = 'storage.objects' then
      'Remove files through the Storage API, for example supabase.storage.from(''bucket'').remove([...]): it refuses a plain delete, and a row that goes leaves its file behind. Keep deleted_at in a table of your own, beside the path of the file.'
    when o.name = 'auth.users' then
      'Delete users through the Auth API: supabase.auth.admin.deleteUser(id). Keep deleted_at in a table of your own that refers to auth.users.'
    when o.name = 'auth.audit_log_entries' then
      'Auth need not write it: Dashboard, Authentication, Audit Logs. To trim it: select cron.schedule(''trim-auth-audit-log'', ''15 3 * * *'', $delete$delete from auth.audit_log_entries where created_at < now() - interval ''90 days''$delete$);'
    when o.schema = 'auth' then
      'Auth removes what has expired itself. How long sessions last: Dashboard, Authentication, Sessions.'
    when o.name = 'cron.job_run_details' then
      'pg_cron trims it, where it is told to: select cron.schedule(''trim-cron-history'', ''0 3 * * *'', $delete$delete from cron.job_run_details where end_time < now() - interval ''7 days''$delete$);'
    when o.schema = 'net' then
      'pg_net removes answers itself, after pg_net.ttl (6 hours by default).'
    when o.schema = 'realtime' then
      'Realtime drops the partitions of messages itself, after three days.'
    when o.name = 'supabase_functions.hooks' then
      'select cron.schedule(''trim-hooks'', ''30 3 * * *'', $delete$delete from supabase_functions.hooks where created_at < now() - interval ''30 days''$delete$);'
    else 'Leave it alone, or copy what you need of it into a table of your own.'
  end
  from (
    select n.nspname as schema, format('%s.%s', n.nspname, c.relname) as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = advice_for_supabase_table.relation
      and (
        pg_get_userbyid(c.relowner) like 'supabase\_%'
        or exists (
          select 1 from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
        )
      )
  ) o;
$$;

comment on function nightshift.advice_for_supabase_table is
  'How the rows of a table that belongs to Supabase or to an extension are removed instead; null for a table of the application.';

-- supabase/schema/retention/all_leaf_relations.sql

create or replace function nightshift.all_leaf_relations(relation regclass)
returns setof regclass
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  -- So is nearly every table, and a purge asks often.
  if exists (select from pg_catalog.pg_class c where c.oid = relation and c.relkind = 'r') then
    return next relation;
    return;
  end if;
  return query
  select l.oid::regclass
  from nightshift.partitions_below(all_leaf_relations.relation) l(oid)
  -- One by one: a thousand partitions are expected of every table, and all of pg_class would be read for those as well.
  cross join lateral (select c.relkind from pg_catalog.pg_class c where c.oid = l.oid offset 0) c
  where c.relkind = 'r'
  order by l.oid;
end;
$$;

comment on function nightshift.all_leaf_relations is
  'The tables that really hold the rows of a table: itself, or its leaf partitions, by oid.';

-- supabase/schema/retention/alter_retention_policy.sql

create or replace function nightshift.alter_retention_policy(
  relation regclass,
  drop_after interval default null,
  marker_column name default null,
  flag_column name default null,
  max_fraction numeric default null,
  enabled boolean default null,
  allow_short boolean default false,
  with_children text[] default null,
  release text[] default null,
  keep text[] default null,
  first_purge text default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
  context text;
begin
  perform nightshift.follow_tables();
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = alter_retention_policy.relation
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'Declare one with nightshift.add_retention_policy.';
  end if;
  policy.drop_after := coalesce(alter_retention_policy.drop_after, policy.drop_after);
  policy.marker_column := coalesce(alter_retention_policy.marker_column, policy.marker_column);
  policy.flag_column := coalesce(alter_retention_policy.flag_column, policy.flag_column);
  policy.max_fraction := coalesce(alter_retention_policy.max_fraction, policy.max_fraction);
  policy.enabled := coalesce(alter_retention_policy.enabled, policy.enabled);
  policy.first_purge := coalesce(alter_retention_policy.first_purge, policy.first_purge);

  -- A policy can always be switched off, whatever has become of its table.
  if policy.enabled then
    perform nightshift.check_retention_policy(policy, allow_short or alter_retention_policy.drop_after is null);
  end if;
  update nightshift.retention_policies p
  set
    drop_after = policy.drop_after,
    marker_column = policy.marker_column,
    flag_column = policy.flag_column,
    max_fraction = policy.max_fraction,
    enabled = policy.enabled,
    first_purge = policy.first_purge,
    relation_name = policy.relation::text
  where p.relation = policy.relation;
  if policy.enabled or with_children is not null or release is not null or keep is not null then
    perform nightshift.declare_keys(policy.relation, with_children, release, keep);
  end if;
  return nightshift.describe_declaration(policy);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.alter_retention_policy is
  'Changes what is given (null leaves a setting as it is, an empty array takes with_children, release or keep back) and validates the whole as add_retention_policy does. To drop a flag_column, remove the policy and add it anew. A run under way heeds the change from its next batch on. Returns what add_retention_policy does. Errors: NS404, NS422.';

-- supabase/schema/retention/apply_brake.sql

create or replace function nightshift.apply_brake(run nightshift.runs, rows_to_delete nightshift.row_set[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  excess text;
begin
  select b.excess into excess
  from (
    select c.policy, jsonb_object_agg(coalesce(c.child, p.relation)::text, c.n) as going, run.progress #> array['steps', p.relation::text] as step
    from nightshift.count_deleted(rows_to_delete) c
    join nightshift.retention_policies p on p.relation::oid = c.policy
    group by c.policy, p.relation
  ) g
  cross join lateral nightshift.brake(run, g.policy, nightshift.add_counts(g.going, nightshift.gone_of(g.policy, g.step))) b(excess)
  where b.excess is not null
  limit 1;
  perform nightshift.require_within_brake(excess);
end;
$$;

comment on function nightshift.apply_brake is
  'Raises NS428 when a batch would take a table past the max_fraction of its policy, counted from the start of the run.';

-- supabase/schema/retention/are_related.sql

create or replace function nightshift.are_related(one regclass, other regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return one = other
    or one in (select a.relid from pg_catalog.pg_partition_ancestors(other) a(relid))
    or other in (select a.relid from pg_catalog.pg_partition_ancestors(one) a(relid));
end;
$$;

comment on function nightshift.are_related is
  'Whether two tables are the same, or one is a partition of the other: what related_tables says, without a look at every partition.';

-- supabase/schema/retention/brake.sql

create or replace function nightshift.brake(run nightshift.runs, policy_relation oid, going jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
  backlog jsonb;
  excess record;
begin
  select p.* into policy from nightshift.retention_policies p where p.relation::oid = policy_relation;
  -- A first purge is accepted once, whatever it takes. A table that grows meanwhile can lose more rows than it had.
  if policy.first_purge = 'all' or policy.max_fraction = 1 or nightshift.is_forced(run, policy.relation) then
    return null;
  end if;
  backlog := run.progress #> array['backlogs', policy.relation::text];
  select g.relation, g.n, g.total, round(100.0 * g.n / g.total, 1) as percent into excess
  from (
    select e.key as relation, e.value::bigint as n,
      case e.key
        when policy.relation::text then (backlog ->> 'totalRows')::bigint
        else (backlog #>> array['children', e.key, 'totalRows'])::bigint
      end as total
    from jsonb_each_text(going) e
  ) g
  -- Of a small table a large share is soon due.
  where g.total >= 1000 and g.n > policy.max_fraction * g.total
  order by g.n::numeric / g.total desc, g.relation
  limit 1;
  if not found then
    return null;
  end if;
  return format('%s: %s of %s rows would go (%s%%), more than max_fraction of %s allows (%s%%)',
    excess.relation, excess.n, excess.total, trim_scale(excess.percent), policy.relation, trim_scale(round(policy.max_fraction * 100, 1)));
end;
$$;

comment on function nightshift.brake is
  'A sentence when so many rows of a policy''s table or of its children, by table, are more than its max_fraction allows; null when they may go: within the limit, forced, accepted as a first purge, or of a table of fewer than 1,000 rows.';

-- supabase/schema/retention/call_for_role.sql

create or replace function nightshift.call_for_role(policy regclass, key oid, role text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- What is given replaces what there is, so the call repeats that.
  select format('select nightshift.alter_retention_policy(%L, %s => array[%s]);', policy,
    case call_for_role.role when 'child' then 'with_children' else call_for_role.role end,
    string_agg(quote_literal(e.entry), ', ' order by e.entry))
  from (
    select jsonb_array_elements_text(nightshift.keys_in_words(call_for_role.policy, call_for_role.role))
    union
    select nightshift.key_in_words(call_for_role.key)
  ) e(entry);
$$;

comment on function nightshift.call_for_role is
  'The call that gives a foreign key a role in a policy (child, release or keep) and leaves the others as they are.';

-- supabase/schema/retention/check_purgeable.sql

create or replace function nightshift.check_purgeable(relation regclass, what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kind "char";
  schema_name name;
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to delete that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
  select c.relkind, n.nspname into kind, schema_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = relation;
  if kind not in ('r', 'p') then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a table', relation),
      hint = what || ' needs the table that holds the rows, not a view, a materialized view or a foreign table.';
  end if;
  if schema_name in ('pg_catalog', 'information_schema', 'nightshift', 'supabase_migrations') or schema_name like 'pg\_t%' then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to the system or is temporary', relation),
      hint = 'Declare policies on tables of your application.';
  end if;
  if nightshift.advice_for_supabase_table(relation) is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s is kept by Supabase or an extension, which rely on its rows', relation),
      hint = nightshift.advice_for_supabase_table(relation);
  end if;
  if not has_table_privilege(caller, relation, 'delete') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not delete rows of %s', caller, relation),
      hint = format('Declare the policy as the owner of the table, or: grant delete on %s to %I;', relation, caller);
  end if;
  perform nightshift.require_trusted(relation::oid || array(
    select distinct k.referencing::oid from nightshift.referencing_keys(array[relation::oid]) k
  ));
  if not (
    has_table_privilege(relation, 'select')
    and has_table_privilege(relation, 'update')
    and has_table_privilege(relation, 'delete')
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not select, lock and delete rows of %s', current_user, relation),
      hint = format('grant select, update, delete on %s to %I;', relation, current_user);
  end if;
  perform nightshift.require_no_rule(array(select nightshift.partitions_below(relation)), 'DELETE');
  perform nightshift.require_own_rows(relation);
end;
$$;

comment on function nightshift.check_purgeable is
  'Raises NS422, with the fix in the hint, unless rows of a table can be purged, and by whoever calls.';

-- supabase/schema/retention/check_release.sql

create or replace function nightshift.check_release(key oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named record;
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to change rows that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  stuck name;
begin
  select c.conrelid::regclass as referencing, c.confdeltype as action, c.conkey, nullif(c.confdelsetcols, '{}') as set_columns
  into named
  from pg_catalog.pg_constraint c where c.oid = key;
  if named.action not in ('n', 'd') then
    raise exception using
      errcode = 'NS422',
      message = format('The foreign key %s does not say what becomes of a reference', nightshift.key_in_words(key)),
      detail = 'release sets a reference to null or default as the ON DELETE of its key says, and this one says neither.',
      hint = 'Add the key anew with on delete set null, if its columns may be null, or use with_children or keep.';
  end if;
  if not has_table_privilege(caller, named.referencing, 'update') then
    raise exception using
      errcode = 'NS422',
      message = format('%s may not update rows of %s', caller, named.referencing),
      hint = format('Declare the policy as the owner of the table, or: grant update on %s to %I;', named.referencing, caller);
  end if;
  perform nightshift.require_trusted(array[named.referencing::oid]);
  perform nightshift.require_no_rule(array(select nightshift.partitions_below(named.referencing)), 'UPDATE');
  select a.attname into stuck
  from pg_catalog.pg_attribute a
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = named.referencing and a.attnotnull
    and a.attnum = any(coalesce(named.set_columns, named.conkey))
    and (named.action = 'n' or d.oid is null)
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%I of %s cannot be null, so its reference cannot be released', stuck, named.referencing),
      hint = format('alter table %s alter %I drop not null; or use with_children or keep.', named.referencing, stuck);
  end if;
end;
$$;

comment on function nightshift.check_release is
  'Raises NS422, with the fix in the hint, unless the references of a foreign key can be set to null or default, and by whoever calls.';

-- supabase/schema/retention/check_retention_policy.sql

-- Retention policies: which rows of which table may go, and when. No policy, no deletion.
-- Why: everything that decides whether a row is due is declared, validated and read here, once.

create or replace function nightshift.check_retention_policy(policy nightshift.retention_policies, allow_short boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  kind constant "char" := (select c.relkind from pg_catalog.pg_class c where c.oid = policy.relation);
  due text;
begin
  if kind is null then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name an existing table, with its schema: nightshift.add_retention_policy(''public.orders'', ''30 days'').';
  end if;
  perform nightshift.check_purgeable(policy.relation, 'A retention policy');
  perform nightshift.require_one_policy(policy.relation);
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if policy.drop_after is null
    or not isfinite(policy.drop_after)
    or least(
      extract(year from policy.drop_after), extract(month from policy.drop_after), extract(day from policy.drop_after),
      extract(hour from policy.drop_after), extract(minute from policy.drop_after), extract(second from policy.drop_after)
    ) < 0
    or policy.drop_after <= '0'
  then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after must be a positive interval, not %s', coalesce(policy.drop_after::text, 'null')),
      hint = 'Say how old a row must be to go, for example ''30 days''.';
  end if;
  if policy.drop_after < '1 day' and not coalesce(allow_short, false) then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after is only %s', policy.drop_after),
      detail = 'An interval under one day is more often a wrong unit than a wish.',
      hint = 'Pass allow_short => true if it is meant.';
  end if;
  if policy.drop_after > '1000 years' then
    raise exception using
      errcode = 'NS422',
      message = format('drop_after is %s, which reaches back before any row', policy.drop_after),
      hint = 'Say how old a row must be to go, for example ''30 days''; where rows are to stay, a table needs no policy.';
  end if;
  if policy.max_fraction is null or policy.max_fraction <= 0 or policy.max_fraction > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('max_fraction must be over 0 and at most 1, not %s', coalesce(policy.max_fraction::text, 'null')),
      hint = 'It is the share of the table that one run may remove; 0.5 by default.';
  end if;

  if policy.first_purge <> 'all' then
    raise exception using
      errcode = 'NS422',
      message = format('first_purge can only be ''all'', not %L', policy.first_purge),
      hint = 'It accepts once what is due when the policy is declared, whatever max_fraction says; leave it out otherwise.';
  end if;

  due := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, now()
  );
  if not nightshift.marker_is_indexed(policy.relation, policy.marker_column, due) then
    raise exception using
      errcode = 'NS422',
      message = format('No index serves %I of %s', policy.marker_column, policy.relation),
      detail = 'Without it every look for due rows reads the whole table.',
      hint = format(
        'create index %son %s (%s) where %s;',
        -- Postgres cannot build an index concurrently on a partitioned table.
        case when kind = 'p' then '' else 'concurrently ' end,
        policy.relation, nightshift.indexed_as(policy.relation, policy.marker_column),
        case when policy.flag_column is null then nightshift.indexed_as(policy.relation, policy.marker_column) || ' is not null'
          else nightshift.indexed_as(policy.relation, policy.flag_column) end
      );
  end if;
  perform nightshift.require_no_sentinel(policy);
end;
$$;

comment on function nightshift.check_retention_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';

-- supabase/schema/retention/child_condition.sql

create or replace function nightshift.child_condition(
  policy nightshift.retention_policies,
  child regclass,
  as_of timestamptz,
  depth integer default 0
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  above text;
  condition text;
begin
  -- More levels than there are tables: they go round in a circle.
  if depth > (select count(*) from nightshift.retention_keys k where k.policy = child_condition.policy.relation) then
    return null;
  end if;
  for key in
    -- As purge_keys has them, of this one child: its looks at all tables of a policy add up where there are forty.
    select c.oid as key, c.confrelid::regclass as referenced
    from nightshift.retention_keys k
    join pg_catalog.pg_constraint c
      on c.conrelid = k.referencing and c.conname = k.constraint_name and c.contype = 'f' and c.conparentid = 0
    where k.policy = child_condition.policy.relation and k.role = 'child' and k.referencing = child
      and exists (
        select
        from nightshift.related_tables(c.confrelid) r
        join nightshift.policy_members(array[child_condition.policy.relation::oid]) m on m.member::oid = r
      )
    order by c.oid
  loop
    if policy.relation::oid in (select nightshift.related_tables(key.referenced)) then
      above := nightshift.due_condition(
        't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of);
    else
      above := 'exists (select from (select t.*) x where ' || nightshift.child_condition(policy, key.referenced, as_of, depth + 1) || ')';
    end if;
    if above is null then
      return null;
    end if;
    condition := concat_ws(' or ', condition,
      format('exists (select from %s t where %s and %s)', nightshift.scan_of(key.referenced), nightshift.join_condition(key.key), above));
  end loop;
  -- The key that made it a child may be gone.
  return coalesce('(' || condition || ')', 'false');
end;
$$;

comment on function nightshift.child_condition is
  'The SQL condition, for rows x of a table of children, that they lead to a due row; null when children refer to each other in a circle.';

-- supabase/schema/retention/child_steps.sql

create or replace function nightshift.child_steps(keys nightshift.purge_key[], rows nightshift.row_set[], carried text default '')
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('select %s::oid, x.tableoid, x.ctid%s from %s and r.policy = %s', k.policy, carried,
    nightshift.reference_join(k.key, true), k.policy), ' union all ')
  from unnest(keys) k
  where k.role = 'child' and k.related && array(select distinct r.relation from unnest(child_steps.rows) r);
$$;

comment on function nightshift.child_steps is
  'The query that leads from a row r of rows (policy, relation, tid) to its children (the same, and what is carried along); null when there are none.';

-- supabase/schema/retention/children_of_slice.sql

create or replace function nightshift.children_of_slice(
  policy_relation regclass,
  keys nightshift.purge_key[],
  out is_tree boolean,
  out referred text,
  out deletes text,
  out cascading oid[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  child_keys constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role = 'child');
  -- The part of the statement that deletes the rows of a table.
  parts jsonb := jsonb_build_object(policy_relation::oid, 'd0');
  counts text;
  key record;
  part text;
begin
  referred := nightshift.columns_referred(policy_relation, child_keys, 't');
  deletes := '';
  loop
    select k.* into key
    from unnest(child_keys) k
    where parts ? k.referenced::oid::text and not parts ? k.referencing::oid::text
    order by k.key
    limit 1;
    exit when not found;
    part := 'd' || (select count(*) from jsonb_object_keys(parts));
    deletes := deletes || format(', %s as (delete from %s x using %s t where %s returning %s)',
      part, nightshift.scan_of(key.referencing), parts ->> key.referenced::oid::text, nightshift.join_condition(key.key),
      nightshift.columns_referred(key.referencing, child_keys, 'x'));
    counts := concat_ws(' union all ', counts, format('select %L, count(*) from %s', key.referencing, part));
    parts := parts || jsonb_build_object(key.referencing::oid, part);
  end loop;
  deletes := case when counts is not null then deletes || format(
    ' select (select count(*) from d0),
       (select coalesce(jsonb_object_agg(c.relation, c.n), ''{}'') from (%s) c(relation, n) where c.n > 0)', counts) end;
  -- A table that is reached in two ways, or in a circle, has more keys than parts.
  is_tree := (select count(*) from jsonb_object_keys(parts)) = 1 + cardinality(child_keys);
  cascading := array(
    select distinct l::oid
    from unnest(child_keys) k
    join pg_catalog.pg_constraint c on c.oid = k.key and c.confdeltype = 'c'
    cross join lateral nightshift.all_leaf_relations(k.referencing) l
  );
end;
$$;

comment on function nightshift.children_of_slice is
  'How the children of rows go in the same statement: after a part d0 that deletes rows t of the policy''s table and returns what is referred, deletes goes on with the parts for all tables of children, and returns how many rows went, and how many of each table of children that lost any; null when there are none. is_tree: false when children are reached in more than one way, so that this does not do. cascading: the tables from which ON DELETE CASCADE deletes what comes in between. Errors: NS404, NS422 (see trusted_name, trusted_operator).';

-- supabase/schema/retention/choose_due_rows.sql

create or replace function nightshift.choose_due_rows(
  leaf regclass,
  due text,
  marker_column name,
  locking text,
  batch_rows integer,
  inout cursor jsonb,
  out chosen tid[],
  out passed_over bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
set enable_seqscan = off
as $$
declare
  leaf_name constant text := nightshift.trusted_name(leaf);
  -- What an index walk has seen already is not looked at twice.
  unseen constant text := due || case when cursor ? 'floor' then format(' and r.%I > %L', marker_column, cursor ->> 'floor') else '' end;
  -- Rows with one marker value that may go in one batch, where batches are not small for a reason.
  max_ties constant integer := greatest(4 * batch_rows, case when batch_rows >= 500 then 20000 else 0 end);
  start tid;
  next_block bigint;
  rows_per_page numeric;
  found_tids tid[];
  found_rows integer;
  last_marker text;
begin
  if cursor ->> 'mode' = 'sweep' then
    -- Block by block, each block once: no batch meets what an earlier one killed.
    select greatest(1, least(291, case when c.relpages > 0 and c.reltuples > 0 then c.reltuples / c.relpages else 50 end))
    into rows_per_page
    from pg_catalog.pg_class c where c.oid = leaf;
    start := coalesce(cursor ->> 'after', '(0,0)')::tid;
    next_block := (start::text::point)[0]::bigint + greatest(1, round(batch_rows / rows_per_page));
    execute format(
      'select array_agg(r.ctid) from (
         select r.ctid from only %s r
         where r.ctid > %L and r.ctid < ''(%s,0)'' and r.tableoid = %s and (%s) is true
         limit %s %s
       ) r',
      leaf_name, start, least(next_block, 4294967295), leaf::oid, unseen, batch_rows, locking
    ) into chosen;
    -- Stopped by the limit, the next batch begins in mid-page; never past the pages read, wherever a row has moved to.
    if cardinality(chosen) >= batch_rows then
      cursor := cursor || jsonb_build_object(
        'after', (select least(max(c), format('(%s,0)', next_block)::tid) from unnest(chosen) c), 'leafDone', false
      );
    else
      cursor := cursor || jsonb_build_object(
        'after', format('(%s,0)', next_block),
        'leafDone', next_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint
      );
    end if;
    if locking <> '' then
      execute format(
        'select count(*) - count(*) filter (where r.ctid = any($1)) from only %s r
         where r.ctid > %L and r.ctid <= %L and r.tableoid = %s and (%s) is true',
        leaf_name, start, cursor ->> 'after', leaf::oid, unseen
      ) into passed_over using coalesce(chosen, '{}');
    end if;
    return;
  end if;

  -- In marker order, each marker value once: with ties, so the next batch can begin strictly after the last value.
  execute format(
    'select array_agg(c.ctid), count(*), max(c.marker)::text from (
       select * from (
         select r.ctid, r.%1$I as marker from only %2$s r where %3$s and r.%1$I > %4$L
         order by r.%1$I fetch first %5$s rows with ties
       ) c limit %6$s
     ) c',
    marker_column, leaf_name, due, coalesce(cursor ->> 'after', '-infinity'), batch_rows, max_ties + 1
  ) into found_tids, found_rows, last_marker;
  if found_rows > max_ties then
    -- One value of the marker on very many rows, as after a bulk delete: no order among them to continue by.
    cursor := cursor || jsonb_build_object(
      'mode', 'sweep', 'after', '(0,0)', 'floor', coalesce(cursor ->> 'after', '-infinity'), 'leafDone', false
    );
    return;
  end if;
  execute format(
    'select array_agg(r.ctid) from (
       select r.ctid from only %s r where r.ctid = any($1) and r.tableoid = %s and (%s) is true %s
     ) r',
    leaf_name, leaf::oid, due, locking
  )
  into chosen using found_tids;
  passed_over := found_rows - coalesce(cardinality(chosen), 0);
  cursor := cursor || jsonb_build_object('after', last_marker, 'leafDone', found_rows < batch_rows);
end;
$$;

comment on function nightshift.choose_due_rows is
  'The next due rows of a leaf after cursor, about batch_rows of them, or up to 20,000 with one marker value, locked when locking says so and then known to be due under the lock; passed_over: how many it came past that are in use. cursor: mode (sweep: after is the address of a row; index: after is a marker value), after, and leafDone once nothing is left behind it.';

-- supabase/schema/retention/column_type.sql

create or replace function nightshift.column_type(relation regclass, column_name name)
returns regtype
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select a.atttypid::regtype
    from pg_catalog.pg_attribute a
    where a.attrelid = column_type.relation
      and a.attname = column_type.column_name
      and a.attnum > 0
      and not a.attisdropped
  );
end;
$$;

comment on function nightshift.column_type is 'The type of a live column, or null when there is no such column.';

-- supabase/schema/retention/columns_referred.sql

create or replace function nightshift.columns_referred(relation regclass, keys nightshift.purge_key[], alias text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(string_agg(distinct format('%s.%I', alias, a.attname), ', '), '1')
    from unnest(keys) k
    join pg_catalog.pg_constraint c on c.oid = k.key
    cross join lateral unnest(c.confkey) u(attnum)
    join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = u.attnum
    where k.referenced = relation
  );
end;
$$;

comment on function nightshift.columns_referred is
  'The columns of a table that these keys refer to, of rows with this alias, as a list for SQL; 1 when there are none.';

-- supabase/schema/retention/constant_default.sql

create or replace function nightshift.constant_default(relation regclass, column_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  tree text;
  expression text;
  value text;
begin
  select d.adbin::text, pg_get_expr(d.adbin, d.adrelid) into tree, expression
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = constant_default.relation and a.attname = constant_default.column_name and a.attgenerated = '';
  -- current_timestamp is a node of its own; now() and its kin are functions of Postgres without arguments.
  -- A type of the application may have checks.
  if tree is null or tree ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR|COERCETODOMAIN)' or exists (
    select 1
    from nightshift.called_functions(tree) f
    join pg_catalog.pg_proc p on p.oid = f.function
    where p.pronamespace <> 'pg_catalog'::regnamespace or p.provolatile = 'v' or p.pronargs = 0
  ) or exists (
    select from regexp_matches(tree, ':(?:const|result|funcresult|opresult)type (\d+)', 'g') m where m[1]::oid >= 16384
  ) then
    return null;
  end if;
  perform nightshift.trusted_name(relation);
  execute format('select (%s)::text', expression) into value;
  return value;
end;
$$;

comment on function nightshift.constant_default is
  'The time that every new row gets in a column that says nothing else, in UTC, or null where there is none, or where it depends on when the row is written. Errors: NS404, NS422 (see trusted_name).';

-- supabase/schema/retention/count_deleted.sql

create or replace function nightshift.count_deleted(deleted nightshift.row_set[])
returns table (policy oid, child regclass, n bigint)
language plpgsql
stable
rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with sets as (
    select d.*, count(*) over (partition by d.relation) as sets_of_relation from unnest(deleted) d
  ),
  counted as (
    -- A row that may go for two reasons counts once: as due, where it is.
    select distinct on (s.relation, t.tid) s.policy, s.relation, s.due
    from sets s cross join lateral unnest(s.tids) t(tid)
    where s.sets_of_relation > 1
    order by s.relation, t.tid, s.due desc, s.policy
  ),
  grouped as (
    select c.policy, c.relation, c.due, count(*) as n from counted c group by c.policy, c.relation, c.due
    union all
    select s.policy, s.relation, s.due, cardinality(s.tids) from sets s where s.sets_of_relation = 1
  )
  select g.policy, m.member, sum(g.n)::bigint
  from grouped g
  left join lateral (
    select m.member
    from nightshift.policy_members(array[g.policy]) m
    where m.is_child and not g.due and g.relation in (select nightshift.related_tables(m.member))
    limit 1
  ) m on true
  group by g.policy, m.member;
end;
$$;

comment on function nightshift.count_deleted is
  'How many rows go by each policy: of its own table (child is null), and of each table of children.';

-- supabase/schema/retention/count_held.sql

create or replace function nightshift.count_held(step jsonb, held nightshift.held_row[])
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(held) = 0 then
    return step;
  end if;
  return step || (
    select jsonb_build_object(
      'rowsBlocked', (step ->> 'rowsBlocked')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'held'),
      'rowsKept', (step ->> 'rowsKept')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'kept'),
      'rowsRefused', (step ->> 'rowsRefused')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'refused'),
      'rowsUndecided', (step ->> 'rowsUndecided')::bigint + count(distinct (h.relation, h.tid)) filter (where h.fate = 'undecided'),
      'blockedBy', nightshift.add_counts(step -> 'blockedBy', nightshift.reasons_of(held, 'held')),
      'keptBy', nightshift.add_counts(step -> 'keptBy', nightshift.reasons_of(held, 'kept')),
      'refusedBy', nightshift.add_counts(step -> 'refusedBy', nightshift.reasons_of(held, 'refused'))
    )
    from unnest(held) h
  );
end;
$$;

comment on function nightshift.count_held is 'Adds rows that stay to the totals of a step.';

-- supabase/schema/retention/count_released.sql

create or replace function nightshift.count_released(released nightshift.released_row[])
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(t.referencing::text, t.n), '{}')
  from (
    select c.conrelid::regclass as referencing, sum(r.n) as n
    from (select r.key, count(*) as n from unnest(released) r group by r.key) r
    join pg_catalog.pg_constraint c on c.oid = r.key
    group by c.conrelid
  ) t;
$$;

comment on function nightshift.count_released is 'How many references were set to null or default, by the table that has them.';

-- supabase/schema/retention/count_rows.sql

create or replace function nightshift.count_rows(sets nightshift.row_set[])
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(cardinality(s.tids)), 0)::bigint from unnest(count_rows.sets) s;
$$;

comment on function nightshift.count_rows is 'How many rows there are in merged sets.';

-- supabase/schema/retention/covering_policy.sql

create or replace function nightshift.covering_policy(relation regclass, scope oid[])
returns setof nightshift.retention_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.retention_policies p
  where p.enabled
    and p.relation::oid = any(covering_policy.scope)
    and (
      p.relation = covering_policy.relation
      or p.relation in (select a.relid from pg_catalog.pg_partition_ancestors(covering_policy.relation) a(relid))
    );
end;
$$;

comment on function nightshift.covering_policy is
  'The enabled policy within scope that covers a table or partition, if any.';

-- supabase/schema/retention/dead_rows.sql

create or replace function nightshift.dead_rows(relations oid[])
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select coalesce(sum(pg_stat_get_dead_tuples(r.oid)), 0)::bigint from unnest(relations) r(oid));
end;
$$;

comment on function nightshift.dead_rows is
  'About how many rows of these tables are deleted and not vacuumed yet. While an old snapshot needs them, a walk through an index steps over each of them, some million a second.';

-- supabase/schema/retention/declare_keys.sql

-- What a policy says of the foreign keys that refer to its rows: children that go along, references that are released, and
-- rows that may stay. What is not named holds its row, and ON DELETE implies nothing.

create or replace function nightshift.declare_keys(policy regclass, with_children text[], release text[], keep text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  given record;
  entries text[];
  left_over text[];
  entry text;
  found_key record;
  found_keys oid[];
begin
  -- Children first: the other two may name what refers to them.
  for given in
    select g.role, g.entries
    from (values (1, 'child', with_children), (2, 'release', release), (3, 'keep', keep)) g(position, role, entries)
    where g.entries is not null
    order by g.position
  loop
    delete from nightshift.retention_keys k where k.policy = declare_keys.policy and k.role = given.role;
    entries := given.entries;
    -- Level by level, whatever the order of the names: a child may be the child of one that is named after it, and one that
    -- refers to these rows and to children of theirs goes with these.
    while cardinality(entries) > 0 loop
      left_over := '{}';
      found_keys := '{}';
      foreach entry in array entries loop
        select k.* into found_key from nightshift.find_key(policy, entry) k;
        if found_key.key is null then
          left_over := left_over || entry;
        else
          found_keys := found_keys || found_key.key;
        end if;
      end loop;
      perform nightshift.add_key(policy, k, given.role) from unnest(found_keys) k;
      if cardinality(left_over) = cardinality(entries) then
        perform nightshift.refuse_key(policy, left_over[1]);
      end if;
      entries := left_over;
    end loop;
  end loop;
  -- Taken back, a child may leave others that refer to nothing of the policy any more.
  select k.referencing into found_key
  from nightshift.retention_keys k
  where k.policy = declare_keys.policy
    and not exists (
      select from nightshift.purge_keys(array[declare_keys.policy::oid]) p
      where p.referencing = k.referencing and p.role = k.role
    )
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s no longer refers to rows that go by the policy of %s, or not as it says', found_key.referencing, policy),
      hint = 'Give with_children, release and keep together, without the tables that do not belong to it any more.';
  end if;
end;
$$;

comment on function nightshift.declare_keys is
  'Replaces what a policy says of foreign keys, as far as it is given. Errors: NS422, with the fix in the hint, for a table that does not refer to these rows, has several keys to them, or whose rows cannot be deleted or released.';

-- supabase/schema/retention/delete_by_halves.sql

create or replace function nightshift.delete_by_halves(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  out deleted nightshift.row_set[],
  out released nightshift.released_row[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- After so many, without one that went, it is not single rows that cannot go.
  max_refusals constant integer := 32;
  refusals integer := 0;
  refusal text;
  due_rows nightshift.held_row[];
  slices int4range[];
  slice int4range;
  part nightshift.row_set[];
  resolved record;
  going nightshift.row_set[];
  followed record;
  middle integer;
begin
  deleted := '{}';
  released := '{}';
  moved := '{}';
  -- Those seen last come first: what refers to others goes before them.
  due_rows := array(
    select row(r.policy, r.relation, t.tid, 'held', null)::nightshift.held_row
    from unnest(rows_to_delete) r
    cross join lateral unnest(r.tids) with ordinality t(tid, position)
    where r.due
    order by t.position
  );
  slices := array[int4range(1, cardinality(due_rows), '[]')];
  while cardinality(slices) > 0 loop
    slice := slices[cardinality(slices)];
    slices := trim_array(slices, 1);
    part := array(
      select row(g.policy, g.relation, true, g.tids)::nightshift.row_set
      from (
        select d.policy, d.relation, array_agg(d.tid) as tids
        from unnest(due_rows[lower(slice):upper(slice) - 1]) d
        -- Gone, or known to stay, with what was tried before.
        where (d.relation, d.tid) not in (select r.relation, t.tid from unnest(deleted) r cross join lateral unnest(r.tids) t(tid))
          and (d.relation, d.tid) not in (select h.relation, h.tid from unnest(held) h)
        group by d.policy, d.relation
      ) g
    );
    if cardinality(deleted) > 0 then
      -- What went before may have changed them: a reference was released, or a trigger did something.
      part := nightshift.subtract_held(nightshift.lock_rows(run, nightshift.follow_rows(part)), held);
    end if;
    select r.* into resolved from nightshift.resolve_references(run, part, component, true, 1000000) r;
    held := held || resolved.held;
    -- Known from here on, so that what comes next does not look at them again.
    perform nightshift.remember_held(run.id, resolved.held);
    going := resolved.rows_to_delete;
    refusal := nightshift.delete_rows(run, going, scope);
    if refusal is not null and upper(slice) - lower(slice) = 1 then
      -- It may be one of the other due rows that cannot go: where references run in a circle, children lead to them as well.
      going := nightshift.find_needed_with(going, part, array(
        select k from nightshift.purge_keys(array(select g.policy from unnest(going) g union select unnest(component))) k
      ));
      if nightshift.count_rows(going) < nightshift.count_rows(resolved.rows_to_delete) then
        refusal := nightshift.delete_rows(run, going, scope);
      end if;
    end if;
    if refusal is null then
      deleted := deleted || going;
      select f.* into followed from nightshift.follow_released(run.id, scope, nightshift.stay_released(resolved.released, going)) f;
      released := nightshift.stay_released(released || followed.released, deleted);
      moved := moved || followed.moved;
    elsif upper(slice) - lower(slice) = 1 then
      held := held || row(part[1].policy, part[1].relation, part[1].tids[1], 'refused', refusal)::nightshift.held_row;
      insert into nightshift.purge_decisions values (run.id, part[1].relation, part[1].tids[1], 'refused', refusal)
      on conflict do nothing;
      refusals := refusals + 1;
      if refusals >= max_refusals and cardinality(deleted) = 0 then
        raise exception using
          errcode = 'NS422',
          message = format('No row of %s could be deleted: %s refused each of %s that were tried', part[1].relation::regclass, refusal, refusals),
          detail = 'The batch was rolled back, with whatever the trigger did.',
          hint = 'A BEFORE DELETE trigger that turns deletes into soft deletes must let rows go that are soft-deleted already. To see what it says, delete one of the due rows by hand.';
      end if;
    else
      middle := (lower(slice) + upper(slice)) / 2;
      slices := slices || int4range(lower(slice), middle) || int4range(middle, upper(slice));
    end if;
  end loop;
end;
$$;

comment on function nightshift.delete_by_halves is
  'Deletes what of rows can go, halving them until those that a trigger or constraint refuses stand alone: they join held, and what they refer to. Errors: those of delete_rows, and NS422 when every row refuses.';

-- supabase/schema/retention/delete_closure.sql

create or replace function nightshift.delete_closure(
  run nightshift.runs,
  scope oid[],
  component oid[],
  rows_to_delete nightshift.row_set[],
  inout held nightshift.held_row[],
  inout released nightshift.released_row[],
  out deleted nightshift.row_set[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  moved_by_triggers nightshift.moved_row[];
begin
  if nightshift.delete_rows(run, rows_to_delete, scope) is null then
    deleted := rows_to_delete;
    select f.released, f.moved into released, moved from nightshift.follow_released(run.id, scope, released) f;
  else
    select h.held, h.deleted, h.released, h.moved into held, deleted, released, moved
    from nightshift.delete_by_halves(run, scope, component, rows_to_delete, held) h;
  end if;
  if cardinality(held) > 0 and nightshift.fires_triggers(deleted, scope) then
    moved_by_triggers := nightshift.find_moved_rows(array(
      select row(null, h.relation, true, array_agg(h.tid))::nightshift.row_set from unnest(held) h group by h.relation
    ));
    perform nightshift.follow_moved_rows(run.id, moved_by_triggers);
    moved := moved || moved_by_triggers;
  end if;
  if cardinality(moved) > 0 then
    held := array(
      select row(h.policy, h.relation, (f.tids)[1], h.fate, h.reason)::nightshift.held_row
      from unnest(held) h
      cross join lateral unnest(nightshift.follow_rows(array[row(null, h.relation, true, array[h.tid])::nightshift.row_set])) f
    );
  end if;
end;
$$;

comment on function nightshift.delete_closure is
  'Deletes what resolve_references says may go, or as much of it as triggers and constraints let go; what they refuse joins held. released: the references that were set to null or default; moved: the rows that have changed with it, of those that the run knows or can meet. All with where the rows are then. Errors: those of delete_rows and delete_by_halves.';

-- supabase/schema/retention/delete_rows.sql

create or replace function nightshift.delete_rows(run nightshift.runs, rows_to_delete nightshift.row_set[], scope oid[])
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  by_table nightshift.row_set[];
  deletes text[];
  of_one_table boolean;
  together text;
  deleted_rows bigint;
  deleted jsonb;
  expected jsonb;
  state text;
  violated text;
  context text;
begin
  if cardinality(rows_to_delete) = 0 then
    return null;
  end if;
  -- The row locks hold the tables as they are from here on; a partition may have been detached just before.
  if exists (
    select 1 from unnest(rows_to_delete) d
    where d.due and not exists (select 1 from nightshift.covering_policy(d.relation, scope) p where p.relation::oid = d.policy)
  ) then
    raise exception using
      errcode = 'NS425',
      message = 'A partition was detached, or a policy changed, while its rows were being chosen',
      detail = 'Nothing was deleted.',
      hint = 'Repeat the call.';
  end if;
  by_table := array(
    select row(null, s.relation, null, case s.sets
      when 1 then (rows_to_delete[s.position]).tids
      -- A row may go for two reasons.
      else array(
        select distinct t.tid from unnest(rows_to_delete) d cross join lateral unnest(d.tids) t(tid)
        where d.relation = s.relation
      ) end)::nightshift.row_set
    from (
      select d.relation, count(*) as sets, min(d.position) as position
      from unnest(rows_to_delete) with ordinality d(policy, relation, due, tids, position)
      group by d.relation
    ) s
  );
  perform nightshift.hold_cascades(by_table);

  -- Where the rows lie close together, bounds let Postgres read that stretch of the table once, three times as fast as
  -- fetching each row by its address.
  select
    array_agg(format(
      'delete from only %s where ctid operator(pg_catalog.=) any(($1[%s]).tids) and tableoid operator(pg_catalog.=) %s %s',
      nightshift.trusted_name(d.relation), d.position, d.relation,
      case when (b.last::text::point)[0] - (b.first::text::point)[0] < cardinality(d.tids) / 4
        then format('and ctid operator(pg_catalog.>=) %L and ctid operator(pg_catalog.<=) %L', b.first, b.last) end
    ) order by d.position),
    jsonb_object_agg(d.relation, cardinality(d.tids))
  into deletes, expected
  from unnest(by_table) with ordinality d(policy, relation, due, tids, position)
  cross join lateral (select min(t) as first, max(t) as last from unnest(d.tids) t) b;

  of_one_table := cardinality(deletes) = 1;
  -- One statement for all tables: foreign keys are checked at its end, when rows that refer to each other are all gone.
  together := (
    select format(
      'with %s select pg_catalog.jsonb_object_agg(d.relation, d.n) from (%s) d(relation, n)',
      string_agg(format('d%s as (%s returning 1)', d.position, deletes[d.position]), ', '),
      string_agg(format('select %L, pg_catalog.count(*) from d%s', d.relation, d.position), ' union all ')
    )
    from unnest(by_table) with ordinality d(policy, relation, due, tids, position)
  );

  begin
    if nightshift.fires_triggers(by_table, scope) then
      -- Triggers of the application were written for the application's own search path, not for ours. Until it is ours again we
      -- call nothing of Postgres by its name alone: in that path, anyone may have made a function that fits better.
      perform set_config('search_path', (select s.trigger_search_path || ', pg_temp' from nightshift.settings s), true);
    else
      perform set_config('enable_seqscan', 'off', true);
    end if;
    if of_one_table then
      execute deletes[1] using by_table;
      get diagnostics deleted_rows = row_count;
    else
      execute together into deleted using by_table;
    end if;
    -- What is put off to the commit would undo the whole batch there, since Postgres 18 with our rights and the search path of the caller.
    set constraints all immediate;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    if of_one_table then
      deleted := jsonb_build_object(by_table[1].relation, deleted_rows);
    end if;
    if deleted <> expected then
      raise exception using errcode = 'NS422', message = 'A trigger kept a row from being deleted';
    end if;
  exception
    -- A trigger may raise any code there is, and only the rows can tell which of them it means.
    when others then
      get stacked diagnostics
        state = returned_sqlstate, violated = constraint_name, context = pg_exception_context;
      -- The server is in trouble or another session in the way, or no row of this table could go. Of 40001 the next try tells, by
      -- halves: a conflict with another session has passed by then, and a trigger that raises it does so again.
      if state ~ '^(25|40(?!001)|53|54|55|57|58|XX)' or state = '42501' and context !~ 'function (?!nightshift\.)' then
        raise;
      end if;
      return nightshift.name_refusal(by_table, state, violated, context);
  end;
  return null;
end;
$$;

comment on function nightshift.delete_rows is
  'Deletes locked rows of any tables in one statement. Returns null, or what refused (a trigger or constraint, by name; never what it said, which may quote a row) and then nothing is deleted. Errors: NS425 when a table is no longer covered, and what concerns more than single rows.';

-- supabase/schema/retention/delete_slice.sql

create or replace function nightshift.delete_slice(
  leaf regclass,
  condition text,
  after tid,
  before tid,
  referred text,
  deletes text,
  cascading oid[],
  out deleted_rows bigint,
  out children jsonb,
  out is_referred boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set lock_timeout = '20ms'
as $$
declare
  -- A DELETE is its own lock: of a row that somebody else changes meanwhile, it asks the whole condition again. IS TRUE keeps
  -- the planner from going by the index of the marker, each time past all that earlier slices have killed.
  parents constant text := format(
    'delete from only %s t where t.ctid > %L and t.ctid < %L and t.tableoid = %s and (%s) is true',
    nightshift.trusted_name(leaf), after, before, leaf::oid, condition
  );
  cascaded bigint;
begin
  children := '{}';
  if deletes is null then
    execute parents;
    get diagnostics deleted_rows = row_count;
  else
    cascaded := nightshift.deleted_so_far(cascading);
    -- Foreign keys are checked at the end of the statement, when rows that refer to each other are all gone.
    execute format('with d0 as (%s returning %s)%s', parents, referred, deletes) into deleted_rows, children;
    if cardinality(cascading) > 0 and nightshift.deleted_so_far(cascading) - cascaded <> (
      select coalesce(sum(c.value::bigint), 0)
      from jsonb_each_text(children) c
      where exists (select from nightshift.all_leaf_relations(c.key::regclass) l where l::oid = any(cascading))
    ) then
      raise lock_not_available;
    end if;
  end if;
  is_referred := false;
exception
  when lock_not_available or deadlock_detected or serialization_failure then
    is_referred := false;
    deleted_rows := null;
  -- Since Postgres 18 a key with RESTRICT has a code of its own.
  when foreign_key_violation or restrict_violation then
    is_referred := true;
    deleted_rows := null;
end;
$$;

comment on function nightshift.delete_slice is
  'Deletes the rows t of a leaf that a condition is true for, between two addresses, both left out, with their children (see children_of_slice; deletes is null where there are none), and returns how many, and how many of each table of children. deleted_rows is null, and none is deleted, when a row refers to one of them (is_referred), one of them is in use and not let go within lock_timeout, or ON DELETE CASCADE deleted a row that came in between and nobody has counted.';

-- supabase/schema/retention/deleted_so_far.sql

create or replace function nightshift.deleted_so_far(relations oid[])
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select sum(pg_stat_get_xact_tuples_deleted(r.oid)) from unnest(relations) r(oid));
end;
$$;

comment on function nightshift.deleted_so_far is
  'How many rows of these tables the transaction has deleted, by whatever way; null when there are none, and 0 while the server does not count (track_counts).';

-- supabase/schema/retention/describe_declaration.sql

create or replace function nightshift.describe_declaration(policy nightshift.retention_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select nightshift.describe_retention_policy(policy) || jsonb_build_object(
    'warnings', nightshift.retention_warnings(policy.relation) || coalesce((
      select jsonb_agg(t)
      from nightshift.policy_members(array[policy.relation::oid]) m
      cross join lateral nightshift.describe_delete_triggers(m.member) t
    ), '[]'),
    'holders', nightshift.describe_holders(policy)
  );
$$;

comment on function nightshift.describe_declaration is
  'What whoever declares or changes a policy is to know: the policy, warnings, and the tables that would hold its rows.';

-- supabase/schema/retention/describe_delete_triggers.sql

create or replace function nightshift.describe_delete_triggers(relation regclass)
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    'Deletions fire %s. In a purge, current_setting(''nightshift.run_id'', true) is the id of its run; otherwise it is null or empty.',
    string_agg(distinct format('trigger %I (%s)', t.tgname, t.tgfoid::regprocedure), ' and ')
  )
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where t.tgrelid in (
      select describe_delete_triggers.relation
      union all
      select l from nightshift.all_leaf_relations(describe_delete_triggers.relation) l
    )
    and not t.tgisinternal
    -- The copies that partitions have of a trigger of their table.
    and t.tgparentid = 0
    and t.tgenabled <> 'D'
    and t.tgtype & 8 = 8
    -- A statement trigger of a partitioned table is warned of: it does not fire.
    and (t.tgtype & 1 = 1 or c.relkind = 'r')
  having count(*) > 0;
$$;

comment on function nightshift.describe_delete_triggers is
  'A sentence that names the triggers of the application that a purge of the table fires, and says how they tell it from a user.';

-- supabase/schema/retention/describe_holders.sql

create or replace function nightshift.describe_holders(policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select jsonb_agg(k.entry - array['columns', 'under', 'role', 'ownPolicy', 'createIndex'] order by k.place)
    from jsonb_array_elements(nightshift.measure_references(
      policy, (nightshift.measure_backlog(policy, now()) ->> 'dueRows')::bigint, now(), 1000
    ) -> 'keys') with ordinality k(entry, place)
    where k.entry ->> 'role' = 'hold' and not (k.entry ->> 'ownPolicy')::boolean
  ), '[]');
exception
  -- Whether it can be counted is no condition for declaring a policy.
  when sqlstate 'NS404' or sqlstate 'NS422' or insufficient_privilege or lock_not_available then
    return '[]';
end;
$$;

comment on function nightshift.describe_holders is
  'The tables that would hold due rows of a policy, of which it says nothing and which have none themselves: table, key, rows (an estimate unless rowsExact; null where it cannot be known quickly), and the call that settles it.';

-- supabase/schema/retention/describe_holding_keys.sql

create or replace function nightshift.describe_holding_keys(policy regclass, scope oid[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'key', t.name, 'table', t.referencing::text, 'fix', nightshift.settle_key(describe_holding_keys.policy, t.key),
      'leftOut', t.role in ('hold', 'keep') and t.own_policy and not exists (
        select from nightshift.related_policies(t.referencing) p where p.relation::oid = any(scope)
      )
    ))
    from nightshift.reference_tree(describe_holding_keys.policy) t
  ), '[]');
end;
$$;

comment on function nightshift.describe_holding_keys is
  'Who refers to rows that go by a policy, as JSON: [{key, table, fix: the call that settles it, null where the policy says that it may hold rows, leftOut: rows that refer have a policy, which is not in scope}].';

-- supabase/schema/retention/describe_retention_policy.sql

create or replace function nightshift.describe_retention_policy(policy nightshift.retention_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'relation', case when exists (select 1 from pg_catalog.pg_class c where c.oid = policy.relation)
      then policy.relation::text else coalesce(policy.relation_name, policy.relation::text) end,
    'dropAfter', policy.drop_after::text,
    'markerColumn', policy.marker_column,
    'flagColumn', policy.flag_column,
    'maxFraction', policy.max_fraction,
    'enabled', policy.enabled,
    'firstPurge', policy.first_purge,
    'withChildren', nightshift.keys_in_words(policy.relation, 'child'),
    'release', nightshift.keys_in_words(policy.relation, 'release'),
    'keep', nightshift.keys_in_words(policy.relation, 'keep'),
    'lastPurgedAt', policy.last_purged_at,
    'lastPurgedRun', policy.last_purged_run,
    'lastPurgedRows', policy.last_purged_rows
  );
$$;

comment on function nightshift.describe_retention_policy is 'The JSON document of a policy.';

-- supabase/schema/retention/due_by_marker.sql

create or replace function nightshift.due_by_marker(
  row_alias text,
  relation regclass,
  drop_after interval,
  marker_column name,
  flag_column name,
  as_of timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  -- No caller can make rows due before their time.
  cutoff timestamptz := least(as_of, now()) - drop_after;
  marker_type regtype := nightshift.column_type(relation, marker_column);
  flag_type regtype := nightshift.column_type(relation, flag_column);
  bound text;
begin
  -- A date is a whole UTC day: its rows are due only when the day has ended before the cutoff.
  bound := case marker_type
    when 'timestamptz'::regtype then cutoff::text
    when 'timestamp'::regtype then (cutoff at time zone 'UTC')::text
    when 'date'::regtype then ((cutoff at time zone 'UTC')::date)::text
  end;
  if bound is null then
    raise exception using
      errcode = case when marker_type is null and not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
        then 'NS404' else 'NS422' end,
      message = case
        when not exists (select 1 from pg_catalog.pg_class c where c.oid = relation)
          then format('The table of a retention policy is gone (oid %s)', relation::oid)
        when marker_type is null then format('%s has no column %I', relation, marker_column)
        when drop_after is null then 'drop_after must not be null'
        else format('Column %I of %s is of type %s, which is not a time', marker_column, relation, marker_type)
      end,
      hint = coalesce(
        nightshift.hint_for_marker(relation, drop_after, marker_column),
        'call nightshift.remove_retention_policy and declare the policy anew.'
      );
  end if;
  if flag_column is not null and flag_type is distinct from 'boolean'::regtype then
    raise exception using
      errcode = 'NS422',
      message = case
        when flag_type is null then format('%s has no column %I', relation, flag_column)
        else format('Column %I of %s is of type %s, which is not boolean', flag_column, relation, flag_type)
      end,
      hint = nightshift.hint_for_flag(relation, flag_column);
  end if;
  -- -infinity says "never". As a lower bound it would send the planner to the low end of the index, where the dead
  -- entries of earlier nights are; as an inequality it does not.
  return format('%1$s.%2$I <> %3$L and %1$s.%2$I < %4$L', row_alias, marker_column, '-infinity', bound)
    || case when flag_column is null then '' else format(' and %s.%I', row_alias, flag_column) end;
end;
$$;

comment on function nightshift.due_by_marker is
  'The SQL condition for a due row, with names quoted and the cutoff, drop_after before as_of or now if that is earlier, in UTC as a literal of the marker''s type. Errors: NS404 when the table is gone, NS422 when marker or flag no longer fit.';

-- supabase/schema/retention/due_condition.sql

create or replace function nightshift.due_condition(
  row_alias text,
  relation regclass,
  drop_after interval,
  marker_column name,
  flag_column name,
  as_of timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return nightshift.due_by_marker(row_alias, relation, drop_after, marker_column, flag_column, as_of)
    || (select a.otherwise from nightshift.left_alone(row_alias, relation, as_of) a);
end;
$$;

comment on function nightshift.due_condition is
  'The SQL condition for a due row: due_by_marker, and not in a partition that is left to a partition policy.';

-- supabase/schema/retention/estimate_rows.sql

create or replace function nightshift.estimate_rows(leaf regclass, condition text)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  sampled_pages constant integer := 100;
  percent constant numeric := least(
    100, 100.0 * sampled_pages / greatest(1, pg_relation_size(leaf) / current_setting('block_size')::integer)
  );
  found_rows bigint;
begin
  execute format('select count(*) from only %s r tablesample system (%s) where %s', nightshift.trusted_name(leaf), percent, condition)
  into found_rows;
  return round(found_rows * 100 / percent);
end;
$$;

comment on function nightshift.estimate_rows is
  'About how many rows r of a leaf meet a condition, from 100 of its pages.';

-- supabase/schema/retention/fates_of.sql

create or replace function nightshift.fates_of(
  staying nightshift.row_set[],
  held nightshift.held_row[],
  keys nightshift.purge_key[]
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  known constant nightshift.held_row[] := array(
    select h
    from unnest(held) h
    where ((h.policy, h.relation, h.tid) in (
      select s.policy, s.relation, t.tid from unnest(staying) s cross join lateral unnest(s.tids) t(tid)
    )) is true
  );
  left_behind constant nightshift.row_set[] := nightshift.subtract_held(staying, known);
  steps constant text := nightshift.child_steps(keys, staying, ', r.fate');
  inherited nightshift.held_row[];
begin
  if cardinality(left_behind) = 0 or steps is null then
    return known;
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     stays(policy, relation, tid, fate) as (
       select h.policy, h.relation, h.tid, h.fate from unnest($2) h
       union
       select f.policy, f.relation, f.tid, f.fate
       from stays r cross join lateral (%s) f(policy, relation, tid, fate)
       where ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
     )
     select array_agg(row(c.policy, c.relation, c.tid, c.fate, null)::nightshift.held_row)
     from (
       select s.* from stays s where ((s.policy, s.relation, s.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
       union all
       -- What it would go with may be locked by someone, and then it just stays.
       select i.*, ''held'' from inside i where (i.policy, i.relation, i.tid) not in (select s.policy, s.relation, s.tid from stays s)
     ) c',
    steps
  ) into inherited using left_behind, array(
    select h from unnest(held) h
    where exists (select from unnest(keys) k where k.role = 'child' and k.policy = h.policy and h.relation = any(k.related))
  );
  return known || inherited;
end;
$$;

comment on function nightshift.fates_of is
  'Rows that stay as rows of held: those that are held already, and children without a reason of their own, which have the fate of what they would go with.';

-- supabase/schema/retention/find_covered_rows.sql

create or replace function nightshift.find_covered_rows(rows nightshift.row_set[], keys nightshift.purge_key[])
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  steps constant text := nightshift.child_steps(keys, rows);
  covered nightshift.row_set[];
begin
  if steps is null then
    return array(select r from unnest(rows) r where r.due);
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid, s.due from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     covered(policy, relation, tid) as (
       select i.policy, i.relation, i.tid from inside i where i.due
       union
       select f.policy, f.relation, f.tid
       from covered r cross join lateral (%s) f(policy, relation, tid)
       where ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i where i.due is not true)) is true
     )
     select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
     from (
       select c.policy, c.relation, k.due, array_agg(c.tid) as tids
       from covered c
       cross join lateral (
         select (c.policy, c.relation, c.tid) in (select i.policy, i.relation, i.tid from inside i where i.due)
       ) k(due)
       group by c.policy, c.relation, k.due
     ) g',
    steps
  ) into covered using rows;
  return coalesce(covered, '{}');
end;
$$;

comment on function nightshift.find_covered_rows is
  'Those of rows that their policies let go: due ones, and children that lead to a due one through others of them.';

-- supabase/schema/retention/find_due_among.sql

create or replace function nightshift.find_due_among(
  run nightshift.runs,
  scope oid[],
  leaf regclass,
  tids tid[],
  newer_than text default '-infinity'
)
returns tid[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  policy nightshift.retention_policies;
  due tid[];
begin
  select p.* into policy from nightshift.covering_policy(leaf, scope) p;
  if found then
    execute format(
      'select array_agg(r.ctid) from only %s r where r.ctid = any($1) and (%s) is true and (r.%I > %L) is true',
      nightshift.trusted_name(leaf),
      nightshift.due_condition('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at),
      policy.marker_column, newer_than
    ) into due using tids;
  end if;
  return coalesce(due, '{}');
end;
$$;

comment on function nightshift.find_due_among is 'Those of tids that a policy of the run says are due, with a marker after newer_than.';

-- supabase/schema/retention/find_key.sql

create or replace function nightshift.find_key(policy regclass, entry text, out key oid)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  named regclass := nightshift.find_relation(entry);
  columns text;
  fitting oid[];
begin
  if named is null then
    -- As in public.messages(sender_id): the columns of one key of several.
    named := nightshift.find_relation(substring(entry from '^(.*)\(.*\)\s*$'));
    columns := regexp_replace(substring(entry from '\(([^()]*)\)\s*$'), '\s*,\s*', ', ', 'g');
  end if;
  if named is null then
    raise exception using
      errcode = 'NS404',
      message = format('There is no table %s', coalesce(entry, 'null')),
      detail = coalesce(
        (
          select format('What refers to rows of the policy of %s: %s.', find_key.policy, string_agg(distinct nightshift.key_in_words(k.key), ', '))
          from nightshift.purge_keys(array[find_key.policy::oid]) k
          having count(*) > 0
        ),
        format('Nothing refers to rows of the policy of %s.', policy)
      ),
      hint = 'Name tables as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, and the columns of a foreign key of several like public.messages(sender_id).';
  end if;
  fitting := array(
    select k.key
    from nightshift.purge_keys(array[policy::oid]) k
    where k.referencing = named
      and case
        when columns is null then k.referenced::oid not in (select nightshift.related_tables(named))
        else nightshift.key_columns(k.key) = btrim(columns)
      end
    order by k.key
  );
  if cardinality(fitting) > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('%s refers to rows of the policy of %s in several ways', named, policy),
      hint = 'Name the foreign keys that are meant by their columns: ' || (
        select string_agg(format('%L', nightshift.key_in_words(f)), ', ') from unnest(fitting) f
      );
  end if;
  key := fitting[1];
end;
$$;

comment on function nightshift.find_key is
  'The foreign key that an entry of with_children, release or keep names, among those that refer to rows of the policy or of its children; null when there is none. A table that refers to itself means that only where its columns are given. Errors: NS404 no such table, NS422 several keys.';

-- supabase/schema/retention/find_moved_rows.sql

create or replace function nightshift.find_moved_rows(rows nightshift.row_set[])
returns nightshift.moved_row[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(m.relation, m.old_tid, m.new_tid)::nightshift.moved_row), '{}')
  from (
    select distinct r.relation, t.old_tid, t.new_tid
    from (select r.*, nightshift.follow_rows(array[r]) as now_at from unnest(find_moved_rows.rows) r) r
    cross join lateral unnest(r.tids, (r.now_at[1]).tids) t(old_tid, new_tid)
  ) m
  where m.old_tid <> m.new_tid;
$$;

comment on function nightshift.find_moved_rows is
  'Those of rows, locked by this transaction, that it has changed since, with where they were and are. One that went to another partition is not found.';

-- supabase/schema/retention/find_needed_rows.sql

create or replace function nightshift.find_needed_rows(
  run_id uuid,
  rows nightshift.row_set[],
  released nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns setof nightshift.held_row
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- Each is read with all that refers to it, which is planned once for all of them.
  max_leaves constant integer := 100;
  -- Only a run that knows of rows has to ask for each what it knows.
  knows constant boolean := exists (select from nightshift.purge_decisions d where d.run_id = find_needed_rows.run_id);
  key record;
  looked_at text;
begin
  for key in
    select w.policy, w.role, w.key, w.name, w.referencing, w.indexed, w.columns, array_agg(w.position order by w.position) as positions
    from (
      select k.policy, k.role, k.key, k.name, k.referencing, k.indexed, s.position,
        (
          select string_agg(format('t.%I', a.attname), ', ')
          from pg_catalog.pg_constraint c
          join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = any(c.confkey)
          where c.oid = k.key
        ) as columns,
        (row_number() over (partition by k.policy, k.key order by s.position) - 1) / max_leaves as part
      from unnest(rows) with ordinality s(policy, relation, due, tids, position)
      join unnest(keys) k on k.policy = s.policy and s.relation = any(k.related)
    ) w
    group by w.policy, w.role, w.key, w.name, w.referencing, w.indexed, w.columns, w.part
    order by w.key, w.part
  loop
    perform set_config('enable_hashjoin', (not key.indexed)::text, true);
    -- NOT IN, for once: a hashed subplan filters inside the probe of x, which then stops at the first row
    -- that is not among the rows. NOT EXISTS would first subtract them from the whole of x.
    looked_at := (
      select string_agg(format(
        'select t.tableoid, t.ctid, %s from only %s t where t.tableoid = %s and t.ctid = any(($1[%s]).tids)',
        key.columns, nightshift.trusted_name(rows[p].relation), rows[p].relation, p
      ), ' union all ' order by p)
      from unnest(key.positions) p
    );
    return query execute format(
      case
        when not knows then
          'select %1$s::oid, t.tableoid, t.ctid, %2$L::text, %3$L::text
           from (%4$s) t
           where exists (select 1 from %5$s x where %6$s and %7$s)'
        when key.indexed then
          -- A row that just stays weighs more than one that stays undecided or kept, and is looked for first.
          'select %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
           from (%4$s) t
           cross join lateral (
             (
               select ''held'' as fate
               from %5$s x
               left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
               where %6$s and %7$s and (d.fate is null or d.fate in (''held'', ''refused''))
               limit 1
             )
             union all
             (
               select d.fate
               from %5$s x
               left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
               where %6$s and %7$s and coalesce(d.fate, '''') in (''kept'', ''undecided'')
               order by d.fate desc
               limit 1
             )
             limit 1
           ) d'
        else
          'select distinct on (t.tableoid, t.ctid) %1$s::oid, t.tableoid, t.ctid, case when d.fate in (''undecided'', ''kept'') then d.fate else %2$L end, %3$L::text
           from (%4$s) t
           join %5$s x on %6$s
           left join nightshift.purge_decisions d on d.run_id = %8$L and d.relation = x.tableoid and d.tid = x.ctid
           where %7$s
             and (d.fate is null or d.fate not in (''gone'', ''assessed''))
           order by t.tableoid, t.ctid, array_position(array[''undecided'', ''kept''], d.fate) nulls first'
      end,
      key.policy, case key.role when 'keep' then 'kept' else 'held' end, key.name, looked_at,
      nightshift.scan_of(key.referencing), nightshift.join_condition(key.key),
      '(x.tableoid, x.ctid) not in (select d.relation, r.tid from unnest($2) d cross join lateral unnest(d.tids) r(tid))',
      run_id
    )
    using rows, case key.role when 'release' then rows || released else rows end;
  end loop;
end;
$$;

comment on function nightshift.find_needed_rows is
  'Those of rows that a row outside of them refers to, once for each foreign key, with that and what it makes of them (held, kept, or undecided like the row that refers). Rows whose reference is to be released do not count, nor those that a dry run has seen go.';

-- supabase/schema/retention/find_needed_with.sql

create or replace function nightshift.find_needed_with(
  rows nightshift.row_set[],
  wanted nightshift.row_set[],
  keys nightshift.purge_key[]
)
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  steps text;
  needed nightshift.row_set[];
begin
  select string_agg(format('select x.tableoid, x.ctid from %s and r.policy = %s', nightshift.reference_join(k.key, true), k.policy), ' union all ')
  into steps
  from unnest(keys) k
  where k.role <> 'release' and k.related && relations;
  if steps is null then
    return rows;
  end if;
  execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, s.due, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     needed(policy, relation, due, tid) as (
       select i.policy, i.relation, i.due, i.tid
       from inside i
       where ((i.relation, i.tid) in (select s.relation, t.tid from unnest($2) s cross join lateral unnest(s.tids) t(tid))) is true
       union
       select i.policy, i.relation, i.due, i.tid
       from needed r
       cross join lateral (%s) f(relation, tid)
       join inside i on i.relation = f.relation and i.tid = f.tid
     )
     select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
     from (select n.policy, n.relation, n.due, array_agg(n.tid) as tids from needed n group by n.policy, n.relation, n.due) g',
    steps
  ) into needed using rows, wanted;
  -- A child may need another row than that which led to it.
  return case when nightshift.count_rows(nightshift.find_covered_rows(needed, keys)) = nightshift.count_rows(needed) then needed else rows end;
end;
$$;

comment on function nightshift.find_needed_with is
  'Of rows that can go together, those without which wanted ones cannot: these, and what refers to them, directly or not. All of rows when that is not enough for them to go.';

-- supabase/schema/retention/find_relation.sql

create or replace function nightshift.find_relation(name text)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A name without a schema is one of public, as in the search path that Supabase gives to everyone.
  return coalesce(to_regclass(name), to_regclass('public.' || name));
exception
  when invalid_name or syntax_error or feature_not_supported then
    return null;
end;
$$;

comment on function nightshift.find_relation is
  'The table of a name as SQL writes it, with its schema unless that is public, or null, also where the name is malformed or names another database.';

-- supabase/schema/retention/find_released_rows.sql

create or replace function nightshift.find_released_rows(
  run_id uuid,
  rows nightshift.row_set[],
  keys nightshift.purge_key[],
  max_rows integer
)
returns nightshift.released_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- Those that go themselves are found as well.
  most constant bigint := max_rows + nightshift.count_rows(rows);
  key record;
  found_rows nightshift.released_row[];
  released nightshift.released_row[] := '{}';
begin
  for key in
    select s.relation, s.tids, k.key, k.referencing, k.indexed
    from unnest(rows) s
    join unnest(keys) k on k.policy = s.policy and s.relation = any(k.related)
    where k.role = 'release'
  loop
    perform set_config('enable_hashjoin', (not key.indexed)::text, true);
    execute format(
      'select array_agg(row(%s, r.relation, r.tid, r.referenced_relation, r.referenced_tid)::nightshift.released_row)
       from (
         select x.tableoid as relation, x.ctid as tid, t.tableoid as referenced_relation, t.ctid as referenced_tid
         from only %s t join %s x on %s
         where t.tableoid = %s and t.ctid = any($1)
           and not exists (
             select from nightshift.purge_decisions d
             where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid and d.fate in (''gone'', ''assessed'')
           )
         limit %s
       ) r',
      key.key, nightshift.trusted_name(key.relation), nightshift.scan_of(key.referencing), nightshift.join_condition(key.key),
      key.relation, run_id, most
    ) into found_rows using key.tids;
    released := released || coalesce(found_rows, '{}');
  end loop;
  -- What is referred to may go for two reasons.
  return array(select distinct r from unnest(released) r);
end;
$$;

comment on function nightshift.find_released_rows is
  'The references to rows that are set to null or default when these go, as their policies say. Of more than max_rows that are not themselves of rows, no more than are needed to tell.';

-- supabase/schema/retention/fires_triggers.sql

create or replace function nightshift.fires_triggers(rows nightshift.row_set[], scope oid[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select 1
    from (
      select r.relation from unnest(rows) r
      union
      select l.oid
      from nightshift.retention_keys k
      cross join lateral nightshift.related_tables(k.referencing) l(oid)
      where k.policy::oid = any(scope) and k.role = 'release'
    ) w(relation)
    -- One by one, by the index: a database has many triggers, most of them those of its foreign keys.
    cross join lateral (select from pg_catalog.pg_trigger t where t.tgrelid = w.relation and not t.tgisinternal offset 0) t
  );
end;
$$;

comment on function nightshift.fires_triggers is
  'Whether triggers of the application may fire when these rows go, on their own tables or where references are released.';

-- supabase/schema/retention/follow_moved_rows.sql

create or replace function nightshift.follow_moved_rows(run_id uuid, moved nightshift.moved_row[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
-- By address from the index, and from there by hash, whatever the statistics say of tables that were empty a moment ago.
set enable_seqscan = off
set enable_nestloop = off
as $$
declare
  relations constant oid[] := array(select distinct m.relation from unnest(moved) m);
  old_tids constant tid[] := array(select m.old_tid from unnest(moved) m);
begin
  with left_behind as (
    delete from nightshift.purge_decisions d
    using unnest(moved) m
    where d.run_id = follow_moved_rows.run_id and d.relation = any(relations) and d.tid = any(old_tids)
      and d.relation = m.relation and d.tid = m.old_tid
    returning d.run_id, d.relation, m.new_tid, d.fate, d.reason
  )
  insert into nightshift.purge_decisions (run_id, relation, tid, fate, reason)
  select l.* from left_behind l
  on conflict do nothing;

  with left_behind as (
    delete from nightshift.purge_pending p
    using unnest(moved) m
    where p.run_id = follow_moved_rows.run_id and p.relation = any(relations) and p.tid = any(old_tids)
      and p.relation = m.relation and p.tid = m.old_tid
    returning p.run_id, p.turn, p.relation, m.new_tid, p.policy, p.level, p.walked
  )
  insert into nightshift.purge_pending (run_id, turn, relation, tid, policy, level, walked)
  select l.* from left_behind l
  -- One that waits there is of a row that is gone.
  on conflict on constraint purge_pending_pkey do update
  set policy = excluded.policy, level = excluded.level, walked = excluded.walked;

  with left_behind as (
    delete from nightshift.purge_released r
    using unnest(moved) m
    where r.run_id = follow_moved_rows.run_id and r.relation = any(relations) and r.tid = any(old_tids)
      and r.relation = m.relation and r.tid = m.old_tid
    returning r.run_id, r.relation, m.new_tid, r.turn, r.referencing, r."references"
  )
  insert into nightshift.purge_released (run_id, relation, tid, turn, referencing, "references")
  select l.* from left_behind l
  on conflict on constraint purge_released_pkey do update set "references" = excluded."references";

  with left_behind as (
    delete from nightshift.purge_counted c
    using unnest(moved) m
    where c.run_id = follow_moved_rows.run_id and c.relation = any(relations) and c.tid = any(old_tids)
      and c.relation = m.relation and c.tid = m.old_tid
    returning c.run_id, c.relation, m.new_tid
  )
  insert into nightshift.purge_counted (run_id, relation, tid)
  select l.* from left_behind l
  on conflict do nothing;
end;
$$;

comment on function nightshift.follow_moved_rows is 'Keeps what a run knows of rows with them where they are now.';

-- supabase/schema/retention/follow_released.sql

create or replace function nightshift.follow_released(
  run_id uuid,
  scope oid[],
  inout released nightshift.released_row[],
  out moved nightshift.moved_row[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$
begin
  moved := nightshift.find_moved_rows(array(
    select row(null, r.relation, false, array_agg(distinct r.tid))::nightshift.row_set
    from unnest(released) r
    group by r.relation
    -- Of other tables a run knows no rows.
    having exists (
      select from nightshift.policy_members(scope) m where r.relation in (select nightshift.related_tables(m.member))
    )
  ));
  if cardinality(moved) > 0 then
    perform nightshift.follow_moved_rows(run_id, moved);
    released := array(
      select row(r.key, r.relation, coalesce(m.new_tid, r.tid), r.referenced_relation, r.referenced_tid)::nightshift.released_row
      from unnest(released) r
      left join unnest(moved) m on m.relation = r.relation and m.old_tid = r.tid
    );
  end if;
end;
$$;

comment on function nightshift.follow_released is
  'Follows rows to where they are since their reference was set to null or default, if the run can meet them again.';

-- supabase/schema/retention/follow_rows.sql

create or replace function nightshift.follow_rows(rows nightshift.row_set[])
returns nightshift.row_set[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(r.policy, r.relation, r.due, array(
    select pg_catalog.currtid2(r.relation::regclass::text, t.tid) from unnest(r.tids) with ordinality t(tid, position) order by t.position
  ))::nightshift.row_set), '{}')
  from unnest(follow_rows.rows) r;
$$;

comment on function nightshift.follow_rows is
  'Rows that were locked by this transaction, with where they are by now, should it have changed them since.';

-- supabase/schema/retention/follow_tables.sql

create or replace function nightshift.follow_tables()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A database that has run full is read-only, and is looked at all the same.
  if current_setting('transaction_read_only')::boolean then
    return;
  end if;
  update nightshift.retention_policies p
  set relation_name = c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.oid = p.relation and p.relation_name is distinct from c.oid::regclass::text
    -- Where another table has taken its name, nobody knows yet for which of them the policy is (warn_of_namesake).
    and not exists (
      select from pg_catalog.pg_class n where n.oid = nightshift.find_relation(p.relation_name) and n.relkind in ('r', 'p')
    );

  update nightshift.retention_policies p
  set relation = anew.oid
  from (
    -- Where two policies had the same name in turn, the later one.
    select distinct on (g.relation_name) g.relation, c.oid
    from nightshift.retention_policies g
    join pg_catalog.pg_class c on c.oid = nightshift.find_relation(g.relation_name) and c.relkind in ('r', 'p')
    where not exists (select 1 from pg_catalog.pg_class l where l.oid = g.relation)
      and not exists (
        select 1 from nightshift.retention_policies o
        where o.relation = c.oid
          or o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid))
          or c.oid in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
      )
    order by g.relation_name, g.created_at desc
  ) anew
  where p.relation = anew.relation;
end;
$$;

comment on function nightshift.follow_tables is
  'Notes the present name of every table that has a retention policy, unless another has taken the former one, and lets a policy whose table is gone follow it to the one that was created anew under that name.';

-- supabase/schema/retention/forced_names.sql

create or replace function nightshift.forced_names(run nightshift.runs)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case jsonb_typeof(run.input -> 'force')
    when 'array' then array(select jsonb_array_elements_text(run.input -> 'force'))
    else '{}'
  end;
$$;

comment on function nightshift.forced_names is 'The tables that the input of a run names in force.';

-- supabase/schema/retention/forget_decisions.sql

create or replace function nightshift.forget_decisions()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from nightshift.purge_decisions d
  where not exists (select from nightshift.runs r where r.id = d.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_pending p
  where not exists (select from nightshift.runs r where r.id = p.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_released p
  where not exists (select from nightshift.runs r where r.id = p.run_id and r.status in ('running', 'continued'));
  delete from nightshift.purge_counted c
  where not exists (select from nightshift.runs r where r.id = c.run_id and r.status in ('running', 'continued'));
$$;

comment on function nightshift.forget_decisions is 'Deletes what runs that have ended knew of rows.';

-- supabase/schema/retention/gone_of.sql

create or replace function nightshift.gone_of(policy oid, step jsonb)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(step -> 'children', '{}')
    || jsonb_build_object(gone_of.policy::regclass::text, coalesce((step ->> 'rowsPurged')::bigint, 0));
$$;

comment on function nightshift.gone_of is 'How many rows went in a step, by table.';

-- supabase/schema/retention/has_due_rows.sql

create or replace function nightshift.has_due_rows(leaf regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  found_rows bigint;
begin
  execute format(
    'select from only %s r where %s order by r.%I limit 1', nightshift.trusted_name(leaf), due, marker_column
  );
  get diagnostics found_rows = row_count;
  return found_rows > 0;
end;
$$;

comment on function nightshift.has_due_rows is
  'Whether a leaf has a due row, for one where marker_walk says index: its statistics may be of before the last purge, the index is not.';

-- supabase/schema/retention/hint_for_flag.sql

create or replace function nightshift.hint_for_flag(relation regclass, flag_column name)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when nightshift.column_type(hint_for_flag.relation, flag_column) is null then coalesce(
      (
        select format('Name a boolean column of the table in flag_column, which is true for rows that may go: %s; or leave it out.',
          string_agg(quote_ident(a.attname), ', ' order by a.attnum))
        from pg_catalog.pg_attribute a
        where a.attrelid = hint_for_flag.relation and a.attnum > 0 and not a.attisdropped and a.atttypid = 'boolean'::regtype
        having count(*) > 0
      ),
      'The table has no boolean column: leave flag_column out.'
    )
    else format(
      'alter table %1$s add column may_go boolean generated always as (%2$I = ''...'') stored; /* the condition under which a row may go; rewrites the table */',
      hint_for_flag.relation, flag_column)
  end;
$$;

comment on function nightshift.hint_for_flag is
  'What to do where a column cannot be the flag of a policy: a generated column makes one of any condition on the row.';

-- supabase/schema/retention/hint_for_marker.sql

create or replace function nightshift.hint_for_marker(relation regclass, drop_after interval, marker_column name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  marker_type regtype := nightshift.column_type(relation, marker_column);
  made name := left(marker_column, 55) || '_time';
  times text;
  touched name;
begin
  select
    string_agg(quote_ident(a.attname), ', ' order by a.attnum),
    min(a.attname::text) filter (where a.attname ~* 'updat|modif|chang')
  into times, touched
  from pg_catalog.pg_attribute a
  where a.attrelid = hint_for_marker.relation and a.attnum > 0 and not a.attisdropped
    and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype);

  return case
    when marker_type is null then concat_ws(' ',
      case
        when times is not null then format('Name a date or time column of the table in marker_column: %s.', times)
        when exists (select 1 from pg_catalog.pg_class c where c.oid = hint_for_marker.relation) then
          'The table has no date or time column. If its rows go with those of another table, name it in with_children of that policy.'
      end,
      case when exists (select 1 from nightshift.retention_policies p where p.relation = hint_for_marker.relation) then
        'If the table or column was dropped or renamed, call nightshift.remove_retention_policy and declare the policy anew.'
      end)
    when marker_type = 'boolean'::regtype and touched is not null then format(
      'select nightshift.add_retention_policy(%1$L, %2$L, marker_column => %3$L, flag_column => %4$L); /* where %3$I moves when %4$I is set */',
      relation, drop_after, touched, marker_column)
    when marker_type = 'boolean'::regtype then format(
      'alter table %s add column deleted_at timestamptz; /* to be set together with %I, which has no time */', relation, marker_column)
    when marker_type in (
        'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'real'::regtype, 'double precision'::regtype
      ) then format(
      'alter table %1$s add column %2$I timestamptz generated always as (to_timestamp(nullif(%3$I, 0))) stored; '
      || '/* for milliseconds: to_timestamp(nullif(%3$I, 0) / 1000.0); rewrites the table */ create index on %1$s (%2$I); '
      || 'select nightshift.add_retention_policy(%4$L, %5$L, marker_column => %6$L);',
      relation, made, marker_column, relation, drop_after, made)
    when marker_type in ('text'::regtype, 'varchar'::regtype, 'character'::regtype) then format(
      'alter table %1$s alter column %2$I type timestamptz using %2$I::timestamptz; /* rewrites the table */', relation, marker_column)
    else 'marker_column names a column of type date, timestamp or timestamptz' || coalesce(': ' || times, '') || '.'
  end;
end;
$$;

comment on function nightshift.hint_for_marker is
  'What to do where a column cannot be the marker of a policy: for a flag, a number, a text and a column that is not there.';

-- supabase/schema/retention/hold_cascades.sql

create or replace function nightshift.hold_cascades(rows nightshift.row_set[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  referencing regclass;
begin
  for referencing in
    select distinct k.conrelid
    from unnest(rows) r
    join pg_catalog.pg_trigger t on t.tgrelid = r.relation and t.tgisinternal
    join pg_catalog.pg_constraint k on k.oid = t.tgconstraint and k.contype = 'f' and k.confrelid = t.tgrelid
    where k.confdeltype in ('c', 'n', 'd')
  loop
    -- As Postgres is about to lock it. From here on nobody hangs a trigger there, which would have our rights.
    execute format('lock table %s in row exclusive mode', referencing);
    perform nightshift.trusted_name(referencing);
  end loop;
end;
$$;

comment on function nightshift.hold_cascades is
  'Holds the tables that a deletion of rows cascades to until the end of the transaction, once nobody else could have code of theirs run there. Errors: NS422 (see trusted_name).';

-- supabase/schema/retention/hold_children.sql

create or replace function nightshift.hold_children(policy_relation regclass)
returns nightshift.purge_key[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked with its indexes, and all sessions have room for a few thousand locks.
  max_tables constant integer := 100;
  keys nightshift.purge_key[] := array(select k from nightshift.purge_keys(array[policy_relation::oid]) k);
  held oid[];
  child oid;
begin
  loop
    held := array(
      select distinct r from unnest(keys) k cross join lateral nightshift.related_tables(k.referencing) r where k.role = 'child' order by r
    );
    if cardinality(held) = 0 then
      return keys;
    elsif cardinality(held) > max_tables
      -- A foreign table cannot be held.
      or exists (select from pg_catalog.pg_class c where c.oid = any(held) and c.relkind not in ('r', 'p')) then
      return null;
    end if;
    foreach child in array held loop
      perform nightshift.hold_table(child, 'for update');
    end loop;
    -- From here on nobody adds a key to one of these tables; somebody may have, until then.
    keys := array(select k from nightshift.purge_keys(array[policy_relation::oid]) k);
    exit when held @> array(
      select r from unnest(keys) k cross join lateral nightshift.related_tables(k.referencing) r where k.role = 'child'
    );
  end loop;
  return keys;
end;
$$;

comment on function nightshift.hold_children is
  'The foreign keys of a policy (purge_keys), with the tables of children held as they are until the end of the transaction; null when those are too many to be held, or foreign tables.';

-- supabase/schema/retention/hold_table.sql

create or replace function nightshift.hold_table(relation regclass, locking text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- ROW EXCLUSIVE before the catalog is read: from here on nobody adds a foreign key, changes a type or swaps a name.
  if locking <> '' then
    execute format('lock table only %s in row exclusive mode', relation);
  end if;
end;
$$;

comment on function nightshift.hold_table is
  'Keeps the definition of a table as it is until the end of the transaction, when rows of it are to be locked.';

-- supabase/schema/retention/index_for_key.sql

create or replace function nightshift.index_for_key(key oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Postgres cannot build an index concurrently on a partitioned table.
  select format('create index %son %s (%s);', case when r.relkind = 'p' then '' else 'concurrently ' end,
    c.conrelid::regclass, (
      select string_agg(concat_ws(' ', quote_ident(x.attname), (
        select format('collate %I.%I', n.nspname, l.collname)
        from pg_catalog.pg_collation l join pg_catalog.pg_namespace n on n.oid = l.collnamespace
        where l.oid = nightshift.key_collation(t.attcollation, x.attcollation) and l.oid <> x.attcollation
      )), ', ' order by u.position)
      from unnest(c.conkey, c.confkey) with ordinality u(conkey, confkey, position)
      join pg_catalog.pg_attribute x on x.attrelid = c.conrelid and x.attnum = u.conkey
      join pg_catalog.pg_attribute t on t.attrelid = c.confrelid and t.attnum = u.confkey
    ))
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_class r on r.oid = c.conrelid
  where c.oid = index_for_key.key;
$$;

comment on function nightshift.index_for_key is 'The statement that makes the index which serves a foreign key from the referencing side.';

-- supabase/schema/retention/indexed_as.sql

create or replace function nightshift.indexed_as(relation regclass, column_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Postgres makes no index on a virtual generated column, but uses one on its expression.
  return coalesce((
    select format('(%s)', pg_get_expr(d.adbin, d.adrelid))
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = relation and a.attname = column_name and a.attgenerated = 'v'
  ), quote_ident(column_name));
end;
$$;

comment on function nightshift.indexed_as is
  'What to create an index on so that it serves a column: the column, or the expression of one that is generated and not stored.';

-- supabase/schema/retention/is_forced.sql

create or replace function nightshift.is_forced(run nightshift.runs, relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from unnest(nightshift.forced_names(run)) f(name) where nightshift.find_relation(f.name) = is_forced.relation
  );
$$;

comment on function nightshift.is_forced is 'Whether the input of a run names a table in force, so that the brake does not hold for it.';

-- supabase/schema/retention/is_large.sql

create or replace function nightshift.is_large(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- 8 MB are read in a few milliseconds, without an index.
  select nightshift.pages_of(is_large.relation) > 1000;
$$;

comment on function nightshift.is_large is 'Whether a table, with its partitions, has more than 1,000 pages, and is not to be read as a whole again and again.';

-- supabase/schema/retention/is_set_by_default.sql

create or replace function nightshift.is_set_by_default(relation regclass, column_name name)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((
    -- What says "not deleted" as a default is null, or a time that never is.
    select a.attgenerated = '' and pg_get_expr(d.adbin, d.adrelid) !~* '^\(*(null\M|''-?infinity'')'
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = is_set_by_default.relation and a.attname = is_set_by_default.column_name
  ), false);
$$;

comment on function nightshift.is_set_by_default is
  'Whether a new row has a time in this column by its default, as created_at mostly has.';

-- supabase/schema/retention/join_condition.sql

create or replace function nightshift.join_condition(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('t.%I%s%s %s x.%I%s%s',
      referenced.attname, o.cast_left, l.collated, o.name, referencing.attname, o.cast_right, l.collated), ' and ')
    from pg_catalog.pg_constraint k
    cross join lateral unnest(k.conkey, k.confkey, k.conpfeqop) u(conkey, confkey, operator)
    join pg_catalog.pg_attribute referencing on referencing.attrelid = k.conrelid and referencing.attnum = u.conkey
    join pg_catalog.pg_attribute referenced on referenced.attrelid = k.confrelid and referenced.attnum = u.confkey
    cross join lateral nightshift.trusted_operator(u.operator) o
    cross join lateral (
      select coalesce((
        select format(' collate %I.%I', n.nspname, c.collname)
        from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
        where referenced.attcollation <> referencing.attcollation
          and c.oid = nightshift.key_collation(referenced.attcollation, referencing.attcollation)
      ), '')
    ) l(collated)
    where k.oid = key
  );
end;
$$;

comment on function nightshift.join_condition is
  'The SQL condition on which rows of a foreign key belong together: t is the referenced table, x the referencing one. Errors: NS422 (see trusted_operator).';

-- supabase/schema/retention/key_collation.sql

create or replace function nightshift.key_collation(referenced oid, referencing oid)
returns oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Where equal means the same bytes, Postgres takes the collation of the column that refers, and the index there.
  return case
    when referenced = referencing or (select not c.collisdeterministic from pg_catalog.pg_collation c where c.oid = referenced) then referenced
    else referencing
  end;
end;
$$;

comment on function nightshift.key_collation is
  'The collation by which Postgres looks for rows that refer to one, given those of the two columns of a foreign key (0 for a type without).';

-- supabase/schema/retention/key_columns.sql

create or replace function nightshift.key_columns(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('%I', a.attname), ', ' order by u.position)
    from pg_catalog.pg_constraint c
    cross join lateral unnest(c.conkey) with ordinality u(attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.attnum
    where c.oid = key_columns.key
  );
end;
$$;

comment on function nightshift.key_columns is 'The referencing columns of a foreign key, as SQL writes them.';

-- supabase/schema/retention/key_in_words.sql

create or replace function nightshift.key_in_words(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('%s(%s)', c.conrelid::regclass, nightshift.key_columns(c.oid))
    from pg_catalog.pg_constraint c
    where c.oid = key_in_words.key
  );
end;
$$;

comment on function nightshift.key_in_words is 'A foreign key as with_children, release and keep name it: public.messages(sender_id).';

-- supabase/schema/retention/keys_in_words.sql

create or replace function nightshift.keys_in_words(policy regclass, role text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_agg(w.key order by w.key), '[]')
    from (
      select coalesce(nightshift.key_in_words(c.oid), format('%s (constraint %I is gone)', k.referencing, k.constraint_name))
      from nightshift.retention_keys k
      left join pg_catalog.pg_constraint c on c.conrelid = k.referencing and c.conname = k.constraint_name and c.contype = 'f'
      where k.policy = keys_in_words.policy and k.role = keys_in_words.role
    ) w(key)
  );
end;
$$;

comment on function nightshift.keys_in_words is 'The foreign keys with a role in a policy, as a JSON array of what with_children, release and keep take.';

-- supabase/schema/retention/known_decisions.sql

create or replace function nightshift.known_decisions(run_id uuid, policy oid, leaf oid, tids tid[])
returns nightshift.held_row[]
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
  select coalesce(array_agg(row(known_decisions.policy, d.relation, d.tid, d.fate, r.reason)::nightshift.held_row), '{}')
  from nightshift.purge_decisions d
  left join lateral string_to_table(d.reason, E'\n') r(reason) on true
  where d.run_id = known_decisions.run_id and d.relation = leaf and d.tid = any(tids);
$$;

comment on function nightshift.known_decisions is 'What a run has decided of rows of a leaf, once for each reason.';

-- supabase/schema/retention/leaf_relations.sql

create or replace function nightshift.leaf_relations(relation regclass)
returns setof regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  left_alone oid[] := array(select t.partition from nightshift.partitions_to_retire(relation) t);
begin
  return query
  select l.leaf from nightshift.all_leaf_relations(relation) l(leaf) where l.leaf::oid <> all(left_alone) order by l.leaf::oid;
end;
$$;

comment on function nightshift.leaf_relations is
  'The tables that hold the rows of a table that a purge looks at, by oid: all_leaf_relations, without those that are left to a partition policy.';

-- supabase/schema/retention/left_alone.sql

create or replace function nightshift.left_alone(
  row_alias text,
  relation regclass,
  as_of timestamptz,
  out partitions oid[],
  out otherwise text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  alone record;
begin
  partitions := '{}';
  otherwise := '';
  for alone in
    select t.*, t.parent = relation or t.parent in (select a.relid from pg_catalog.pg_partition_ancestors(relation) a(relid)) as is_around
    from nightshift.partitions_to_retire(relation, as_of) t
  loop
    partitions := partitions || alone.partition;
    if alone.is_around then
      otherwise := otherwise || format(' and (%s) is not true', concat_ws(' and ',
        case when alone.from_bound <> 'MINVALUE' then format('%s.%I >= %s', row_alias, alone.key_column, alone.from_bound) end,
        format('%s.%I < %s', row_alias, alone.key_column, alone.to_bound)));
    end if;
  end loop;
end;
$$;

comment on function nightshift.left_alone is
  'What a purge leaves to a partition policy: the partitions of a table, or around it (see partitions_to_retire), and what due_condition adds to due_by_marker for a row to be in none of them (otherwise; empty where there is none).';

-- supabase/schema/retention/list_retention_policies.sql

create or replace function nightshift.list_retention_policies(as_of timestamptz default now(), budget_ms integer default 3000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set jit = off
as $$
declare
  -- Besides counting there is the catalog to read. The API ends a statement after 8 s, and with it what is known by then.
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0 + 2);
  policy nightshift.retention_policies;
  policies integer := (select count(*) from nightshift.retention_policies);
  entry jsonb;
  entries jsonb := '[]';
  context text;
begin
  perform nightshift.follow_tables();
  for policy in select p.* from nightshift.retention_policies p order by p.relation::text loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      entry := entry
        || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
        || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / policies));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' or insufficient_privilege or lock_not_available then
        entry := entry || jsonb_build_object('problem', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
    end;
    entries := entries || entry;
  end loop;
  return entries;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_retention_policies is
  'Every policy with its backlog (dueRows of totalRows, oldestDueAt, overdueSeconds) and last purge, as one JSON array. A policy that no longer fits its table, or for which there was no time, carries problem instead. budget_ms: time for counting in all, default 3000; what does not fit is estimated and flagged.';

-- supabase/schema/retention/lock_rows.sql

create or replace function nightshift.lock_rows(run nightshift.runs, rows nightshift.row_set[])
returns nightshift.row_set[]
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  asked nightshift.row_set;
  locked nightshift.row_set[] := '{}';
  tids tid[];
begin
  foreach asked in array rows loop
    perform nightshift.hold_table(asked.relation, 'for update');
    execute format(
      'select array_agg(r.ctid) from (
         select x.ctid from only %s x where x.ctid = any($1) and x.tableoid = %s %s for update skip locked
       ) r',
      nightshift.trusted_name(asked.relation), asked.relation,
      case when asked.due then (
        select format('and (%s) is true', nightshift.due_condition(
          'x', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at))
        from nightshift.retention_policies p where p.relation::oid = asked.policy
      ) end
    ) into tids using asked.tids;
    if tids is not null then
      asked.tids := tids;
      locked := locked || asked;
    end if;
  end loop;
  return locked;
end;
$$;

comment on function nightshift.lock_rows is
  'Locks rows where they are, passing over those that others hold or that have changed, and returns them; due ones are known to be due under the lock.';

-- supabase/schema/retention/lock_slice.sql

create or replace function nightshift.lock_slice(
  leaf regclass,
  condition text,
  after tid,
  before tid,
  out chosen tid[],
  out passed_over bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
begin
  execute format(
    'select coalesce(array_agg(r.ctid), ''{}'') from (
       select t.ctid from only %s t where t.ctid > %L and t.ctid < %L and t.tableoid = %s and (%s) is true
       for update skip locked
     ) r',
    nightshift.trusted_name(leaf), after, before, leaf::oid, condition
  ) into chosen;
  execute format(
    'select count(*) from only %s t
     where t.ctid > %L and t.ctid < %L and t.tableoid = %s and (%s) is true and t.ctid <> all($1)',
    nightshift.trusted_name(leaf), after, before, leaf::oid, condition
  ) into passed_over using chosen;
end;
$$;

comment on function nightshift.lock_slice is
  'Locks the rows t of a leaf that a condition is true for, between two addresses, both left out; passed_over: how many are in use.';

-- supabase/schema/retention/marker_is_indexed.sql

create or replace function nightshift.marker_is_indexed(relation regclass, marker_column name, due text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  leaf regclass;
begin
  for leaf in select l from nightshift.leaf_relations(relation) l loop
    if nightshift.is_large(leaf)
      and nightshift.marker_walk(leaf, marker_column, due) is null
      -- Built in this very transaction over rows it has changed, an index is of use only to later ones.
      and not exists (
        select 1
        from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = leaf and i.indcheckxmin and i.indisvalid and a.attname = marker_column
      )
    then
      return false;
    end if;
  end loop;
  return true;
end;
$$;

comment on function nightshift.marker_is_indexed is
  'Whether, on every leaf that is large, an index serves the way through the due rows: see marker_walk.';

-- supabase/schema/retention/marker_walk.sql

create or replace function nightshift.marker_walk(leaf regclass, marker_column name, due text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  plan jsonb;
begin
  -- The planner is asked whether an index gives the due rows in order: it knows about partial indexes,
  -- leading columns and expressions what a look at pg_index would have to guess.
  execute format(
    'explain (format json) select r.%1$I from only %2$s r where %3$s order by r.%1$I limit 1',
    marker_column, nightshift.trusted_name(leaf), due
  ) into plan;
  if not jsonb_path_exists(plan, 'strict $.**."Node Type" ? (@ == "Sort" || @ == "Seq Scan")') then
    return 'index';
  end if;
  return case when exists (
    select 1
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam and m.amname = 'brin'
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = marker_column
    where i.indrelid = leaf and i.indisvalid and i.indpred is null and a.attnum = any(i.indkey::smallint[])
  ) then 'sweep' end;
end;
$$;

comment on function nightshift.marker_walk is
  'How an index serves the way through the due rows of a leaf: index (it gives them in the order of the marker), sweep (a BRIN index says which pages may have some), or null when none does.';

-- supabase/schema/retention/may_be_left_alone.sql

create or replace function nightshift.may_be_left_alone(leaf regclass, as_of timestamptz)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
begin
  return exists (
    select
    from pg_catalog.pg_partition_ancestors(leaf) a(relid)
    join pg_catalog.pg_inherits i on i.inhrelid = a.relid
    join nightshift.partition_policies p on p.parent = i.inhparent and p.enabled and p.retention is not null
    join pg_catalog.pg_class c on c.oid = a.relid
    -- Years of four digits; whatever else an end may be, is not read here.
    where (substring(pg_get_expr(c.relpartbound, 0) from '\) TO \(''(\d{4}-\d\d-\d\d[^B'']*)''')::timestamptz at time zone 'UTC'
      > least(may_be_left_alone.as_of, now()) at time zone 'UTC' - p.retention) is not true
  );
end;
$$;

comment on function nightshift.may_be_left_alone is
  'Whether a leaf may be among what is left to a partition policy (see partitions_to_retire): not while it, and whatever it is a part of, has not ended long enough ago. Much quicker, for most.';

-- supabase/schema/retention/may_exceed.sql

create or replace function nightshift.may_exceed(run nightshift.runs, policy nightshift.retention_policies, backlog jsonb)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select policy.first_purge is distinct from 'all'
    and policy.max_fraction < 1
    and not nightshift.is_forced(run, policy.relation)
    and exists (
      select
      from (
        -- A sample may be some way off: of 1,000 pages, all due or not at all, by four times the standard error.
        select (backlog ->> 'totalRows')::numeric, (backlog ->> 'dueRows')::numeric,
          case when (backlog ->> 'dueRowsExact')::boolean then 1.0
            else 1 - 4 * sqrt((1 - policy.max_fraction) / (1000 * policy.max_fraction)) end
        union all
        select (c.value ->> 'totalRows')::numeric, (c.value ->> 'dueRows')::numeric,
          case when (c.value ->> 'dueRowsExact')::boolean then 1.0 else 0.8 end
        from jsonb_each(backlog -> 'children') c
      ) m(total, due, share)
      where m.total >= 1000 and coalesce(m.due > m.share * policy.max_fraction * m.total, true)
    );
$$;

comment on function nightshift.may_exceed is
  'Whether what is due, and what goes with it, may be more than the max_fraction of a policy allows, so that it has to be counted what would really go.';

-- supabase/schema/retention/may_go_unseen.sql

create or replace function nightshift.may_go_unseen(run nightshift.runs, leaf regclass, keys nightshift.purge_key[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relations oid[] := array(
    select leaf::oid
    union
    select nightshift.related_tables(k.referencing) from unnest(keys) k where k.role = 'child'
  );
begin
  return not exists (
      -- Postgres itself says at once whether a key holds a row, and nothing else happens then.
      select
      from unnest(keys) k
      join pg_catalog.pg_constraint c on c.oid = k.key
      where k.role = 'release' or not k.indexed or c.condeferrable
        or c.confdeltype not in ('a', 'r') and not (k.role = 'child' and c.confdeltype = 'c')
        -- Before Postgres 18 there is no key that is not enforced.
        or (to_jsonb(c) ->> 'conenforced')::boolean is false
    )
    -- One by one, by the index: a database has many triggers, most of them those of its foreign keys. 8: ON DELETE. Where those
    -- are disabled, as for a load, Postgres does not look who refers to a row.
    and not exists (
      select
      from unnest(relations) r(oid)
      cross join lateral (
        select t.tgtype, t.tgisinternal, t.tgenabled from pg_catalog.pg_trigger t where t.tgrelid = r.oid offset 0
      ) t
      where t.tgtype & 8 = 8 and not (t.tgisinternal and t.tgenabled in ('O', 'A'))
    )
    and current_setting('session_replication_role') <> 'replica'
    and not exists (select from pg_catalog.pg_rewrite w where w.ev_class = any(relations) and w.ev_type = '4')
    and not exists (select from nightshift.purge_decisions d where d.run_id = run.id and d.relation = any(relations))
    and not exists (select from nightshift.purge_counted c where c.run_id = run.id and c.relation = any(relations))
    and not exists (select from nightshift.purge_released r where r.run_id = run.id and r.relation = any(relations));
end;
$$;

comment on function nightshift.may_go_unseen is
  'Whether the due rows of a leaf may be deleted, with their children, without a look at each: no trigger or rule has a part in it, a row that refers to one of them makes the DELETE fail and nothing else, and the run has decided none of them, nor released a reference of theirs. keys: purge_keys of the policy. True until the end of the transaction where the leaf and the tables of children are held (hold_table).';

-- supabase/schema/retention/measure_backlog.sql

create or replace function nightshift.measure_backlog(
  policy nightshift.retention_policies,
  as_of timestamptz,
  budget_ms integer default null,
  sample_due boolean default false
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set row_security = off
-- The cursor is read to its end more often than not: right after a purge the way past dead index entries is the longer one.
set cursor_tuple_fraction = 1
as $$
declare
  -- Below 32 MB a table is counted whole; above it about 1,000 random pages are counted instead.
  counted_pages constant integer := 4096;
  sampled_pages constant integer := 1000;
  -- So many that the sample has enough of them.
  max_counted constant integer := 20000;
  many_leaves constant integer := 32;
  -- Right behind a large purge, and as long as an old snapshot keeps what it deleted, an index is full of these.
  many_dead_rows constant integer := 200000;
  leaves constant regclass[] := array(select l from nightshift.leaf_relations(policy.relation) l);
  crowded constant boolean := nightshift.dead_rows(leaves::oid[]) > many_dead_rows;
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => coalesce(
    budget_ms, case when cardinality(leaves) > many_leaves then 1000 else 300 end
  ) / 1000.0);
  due text := nightshift.due_condition(
    'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  pages bigint;
  percent numeric;
  due_cursor refcursor;
  stride integer := 500;
  moved bigint;
  due_rows bigint := 0;
  due_exact boolean;
  total_rows bigint;
  sampled_due bigint;
  oldest timestamptz;
  -- Without a zone, times are UTC, whatever the session says.
  in_utc constant text := case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
    then '' else '::timestamp at time zone ''UTC''' end;
begin
  -- Both may have been attached since the policy was declared.
  perform nightshift.require_one_policy(policy.relation);
  perform nightshift.require_own_rows(policy.relation);
  if cardinality(leaves) > many_leaves then
    select m.due_rows, m.is_exact, m.total_rows, m.oldest into due_rows, due_exact, total_rows, oldest
    from nightshift.measure_leaves(policy, leaves::oid[], due, as_of, stop_at) m;
    return jsonb_build_object(
      'dueRows', due_rows,
      'dueRowsExact', due_exact,
      'totalRows', total_rows,
      'totalRowsExact', false,
      'oldestDueAt', oldest,
      'overdueSeconds', extract(epoch from as_of - (oldest + policy.drop_after))::bigint
    );
  end if;
  select sum(pg_relation_size(l) / current_setting('block_size')::integer) into pages from unnest(leaves) l;
  percent := case when coalesce(pages, 0) <= counted_pages then 100 else 100.0 * sampled_pages / pages end;

  execute format(
    'select count(*), count(*) filter (where %1$s), (min(r.%2$I) filter (where %1$s))%3$s from %4$s r %5$s',
    due, policy.marker_column, in_utc, nightshift.scan_of(policy.relation),
    case when percent < 100 then format('tablesample system (%s)', percent) else '' end
  ) into total_rows, sampled_due, oldest;
  total_rows := round(total_rows * 100 / percent);
  sampled_due := round(sampled_due * 100 / percent);

  due_exact := percent = 100 or not (
    sample_due and sampled_due > max_counted or crowded
  );
  if due_exact then
    open due_cursor no scroll for execute format('select from %s r where %s', nightshift.scan_of(policy.relation), due);
    loop
      move forward stride in due_cursor;
      get diagnostics moved = row_count;
      due_rows := due_rows + moved;
      exit when moved < stride;
      stride := least(stride * 2, 20000);
      due_exact := clock_timestamp() < stop_at;
      exit when not due_exact;
    end loop;
    close due_cursor;
  end if;
  if not due_exact then
    due_rows := greatest(due_rows, sampled_due);
  end if;

  -- Of very many due rows only an index in order knows the oldest; else it is that of the sample.
  if due_rows > 0 and (due_exact or not crowded and (
    select bool_and(nightshift.marker_walk(l, policy.marker_column, due) = 'index')
    from nightshift.leaf_relations(policy.relation) l
  )) then
    execute format(
      'select min(r.%I)%s from %s r where %s', policy.marker_column, in_utc, nightshift.scan_of(policy.relation), due
    ) into oldest;
  end if;

  return jsonb_build_object(
    'dueRows', due_rows,
    'dueRowsExact', due_exact,
    'totalRows', greatest(total_rows, due_rows),
    'totalRowsExact', percent = 100,
    'oldestDueAt', oldest,
    'overdueSeconds', extract(epoch from as_of - (oldest + policy.drop_after))::bigint
  );
end;
$$;

comment on function nightshift.measure_backlog is
  'How many rows of a policy are due, out of how many. Due rows are counted exactly while budget_ms lasts (default 300; 1000 for more than 32 partitions), then estimated from about 1,000 random pages, as is the total of a table over 32 MB (of more than 32 partitions see measure_leaves); sample_due: more than about 20,000 due rows of such a table are estimated at once, and all of one with more than 200,000 dead rows are. The Exact flags say which. overdueSeconds: how long the oldest due row has been due.';

-- supabase/schema/retention/measure_children.sql

create or replace function nightshift.measure_children(policy nightshift.retention_policies, as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  children constant integer := (select count(*) from nightshift.policy_members(array[policy.relation::oid]) m where m.is_child);
  -- Rows are counted as those of the backlog are: a table over 32 MB is sampled, or a smaller one of many.
  counted_pages constant integer := greatest(least(4096, 16384 / greatest(children, 1)), 1000);
  sampled_pages constant integer := 1000;
  -- To look what a row refers to takes many times as long: 2 MB of all tables together say which share is due.
  looked_at_pages constant integer := greatest(250 / greatest(children, 1), 50);
  child record;
  condition text;
  pages bigint;
  percent numeric;
  total_rows numeric;
  due_percent numeric;
  due_share numeric;
  measured jsonb := '{}';
begin
  for child in
    select m.member from nightshift.policy_members(array[policy.relation::oid]) m where m.is_child order by m.member::oid
  loop
    pages := nightshift.pages_of(child.member);
    percent := case when pages <= counted_pages then 100 else 100.0 * sampled_pages / pages end;
    due_percent := case when pages <= looked_at_pages then 100 else 100.0 * looked_at_pages / pages end;
    execute format('select count(*) from %s x %s', nightshift.scan_of(child.member),
      case when percent < 100 then format('tablesample system (%s)', percent) else '' end) into total_rows;
    total_rows := round(total_rows * 100 / percent);
    condition := nightshift.child_condition(policy, child.member, as_of);
    execute format('select avg(case when %s then 1 else 0 end) from %s x %s', coalesce(condition, 'false'), nightshift.scan_of(child.member),
      case when due_percent < 100 then format('tablesample system (%s)', due_percent) else '' end) into due_share;
    measured := measured || jsonb_build_object(child.member::text, jsonb_build_object(
      'totalRows', total_rows,
      'totalRowsExact', percent = 100,
      'dueRows', case when condition is not null then round(total_rows * coalesce(due_share, 0)) end,
      'dueRowsExact', due_percent = 100
    ));
  end loop;
  return measured;
end;
$$;

comment on function nightshift.measure_children is
  'Of each table of children of a policy, how many rows it has (exactly below 32 MB, of up to four tables) and how many refer to due rows, held or not (exactly where all tables together are below 2 MB); null where they refer to each other.';

-- supabase/schema/retention/measure_for_run.sql

create or replace function nightshift.measure_for_run(run nightshift.runs, relation text)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policy constant nightshift.retention_policies := nightshift.policy_of_run(relation);
  by_leaf boolean;
  nothing_due boolean;
  backlog jsonb := run.progress #> array['backlogs', relation];
begin
  if backlog is null then
    backlog := nightshift.measure_backlog(policy, run.started_at, sample_due => not run.dry_run);
    by_leaf := (select count(*) > 32 from nightshift.partitions_below(policy.relation));
    if not (backlog ->> 'dueRowsExact')::boolean and not by_leaf and nightshift.may_exceed(run, policy, backlog) then
      backlog := nightshift.measure_backlog(policy, run.started_at);
    end if;
    -- What would go wrong is said before the work: a table that was not measured loses no row in this run.
    nothing_due := backlog @> '{"dueRows": 0, "dueRowsExact": true}';
    if not nothing_due then
      perform nightshift.require_no_sentinel(policy, case
        -- Of very many leaves a part says it: a time that stands for another is on rows of all.
        when (backlog ->> 'dueRowsExact')::boolean or by_leaf then (backlog ->> 'oldestDueAt')::timestamptz
      end);
    end if;
    if (backlog ->> 'dueRows')::bigint > 0 then
      perform nightshift.require_replica_identity(m.member) from nightshift.policy_members(array[policy.relation::oid]) m;
      if not nightshift.is_forced(run, policy.relation) then
        perform nightshift.require_referencing_indexes(m.member) from nightshift.policy_members(array[policy.relation::oid]) m;
      end if;
    end if;
    if nothing_due and not run.dry_run then
      -- There is nothing to walk through, so the first purge is over.
      update nightshift.retention_policies p set first_purge = null where p.relation = policy.relation and p.first_purge is not null;
    end if;
    backlog := backlog || jsonb_build_object('children', nightshift.measure_children(policy, run.started_at));
    backlog := backlog || jsonb_build_object('assess', nightshift.may_exceed(run, policy, backlog));
    update nightshift.runs r
    set progress = r.progress || jsonb_build_object(
      'backlogs',
      coalesce(r.progress -> 'backlogs', '{}') || jsonb_build_object(measure_for_run.relation, backlog)
    )
    where r.id = run.id;
  end if;
  return backlog || jsonb_build_object(
    'warnings', nightshift.retention_warnings(policy.relation),
    'keys', nightshift.describe_holding_keys(policy.relation, array(
      select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s
    ))
  );
end;
$$;

comment on function nightshift.measure_for_run is
  'The backlog of one policy as of the start of a run, and what there is to say of its table: see measure_retention_backlog. Measured once and kept in the ledger.';

-- supabase/schema/retention/measure_leaves.sql

-- The backlog of a table with very many partitions, leaf by leaf.
-- Why: a query on all of them takes longer to plan than to run, and locks each, with its indexes, until it ends.
-- Locks: at run time ACCESS SHARE on up to 100 leaves at a time.

create or replace function nightshift.measure_leaves(
  policy nightshift.retention_policies,
  leaves oid[],
  due text,
  as_of timestamptz,
  stop_at timestamptz,
  out due_rows bigint,
  out is_exact boolean,
  out total_rows bigint,
  out oldest timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set row_security = off
as $$
declare
  max_leaves constant integer := 100;
  -- So many are counted in milliseconds.
  max_rows constant integer := 20000;
  in_utc constant text := case when nightshift.column_type(policy.relation, policy.marker_column) = 'timestamptz'::regtype
    then '' else '::timestamp at time zone ''UTC''' end;
  -- In no order of time: what there is time for says about how much is due in the others.
  may_have_due constant oid[] := array(
    select l from nightshift.partitions_before(policy.relation, policy.marker_column, least(as_of, now()) - policy.drop_after) l
    where l in (select unnest(leaves))
    order by hashoid(l)
  );
  chunk oid[];
  names text[];
  leaf_name text;
  looked_at integer := 0;
  found_rows bigint;
  found_at timestamptz;
  unknown_leaves oid[];
begin
  due_rows := 0;
  is_exact := true;
  while looked_at < cardinality(may_have_due) and (looked_at = 0 or clock_timestamp() < stop_at) loop
    begin
      chunk := may_have_due[looked_at + 1:looked_at + max_leaves];
      names := nightshift.trusted_names(chunk);
      for n in 1..cardinality(chunk) loop
        looked_at := looked_at + 1;
        leaf_name := names[n];
        -- Most have none, and this takes half as long as to count them.
        execute format('select from only %s r where %s limit 1', leaf_name, due);
        get diagnostics found_rows = row_count;
        if found_rows > 0 then
          execute format(
            'select count(*), min(x.at)%s from (select r.%I as at from only %s r where %s limit %s) x',
            in_utc, policy.marker_column, leaf_name, due, max_rows
          ) into found_rows, found_at;
          if found_rows = max_rows then
            is_exact := false;
            found_rows := greatest(found_rows, nightshift.estimate_rows(chunk[n], due));
          end if;
          due_rows := due_rows + found_rows;
          oldest := least(oldest, found_at);
        end if;
        exit when clock_timestamp() > stop_at;
      end loop;
      -- Undone, a look keeps no lock.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
    end;
  end loop;
  if looked_at < cardinality(may_have_due) then
    is_exact := false;
    due_rows := due_rows * cardinality(may_have_due) / looked_at;
  end if;
  select coalesce(sum(c.reltuples) filter (where c.reltuples >= 0), 0),
    coalesce(array_agg(l.leaf order by hashoid(l.leaf)) filter (where c.reltuples < 0), '{}')
  into total_rows, unknown_leaves
  from unnest(leaves) l(leaf)
  cross join lateral (select c.reltuples from pg_catalog.pg_class c where c.oid = l.leaf offset 0) c;
  begin
    -- Of those that were never analyzed, some stand for all.
    total_rows := greatest(due_rows, total_rows + coalesce((
      select round(avg(nightshift.estimate_rows(u, 'true')) * cardinality(unknown_leaves))
      from unnest(unknown_leaves[1:max_leaves]) u
    ), 0));
    raise exception using errcode = 'NS200';
  exception
    when sqlstate 'NS200' then
      null;
  end;
end;
$$;

comment on function nightshift.measure_leaves is
  'How many rows of a policy are due, the marker of the oldest, and about how many rows the table has. Leaves that have none by their bounds are not looked at. Not exact when there was no time until stop_at for all leaves, or one has more than 20,000: then it is an estimate.';

-- supabase/schema/retention/measure_references.sql

-- Who refers to the due rows of a policy, and what would become of them: an estimate, for who declares or plans.
-- Why: what blocks a purge is to be known before it, and to count it all would take as long as the purge.

create or replace function nightshift.measure_references(
  policy nightshift.retention_policies,
  due_rows bigint,
  as_of timestamptz,
  budget_ms integer
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- A share of 500 is right within 5 of 100, and as many lookups take milliseconds. Each looks into all partitions.
  max_sampled constant integer := greatest(20, least(500, 50000 / greatest(1, (
    select count(*) from nightshift.all_leaf_relations(policy.relation)))));
  -- Rows with very many children are not counted to the end.
  max_found constant integer := 20000;
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0);
  relations oid[];
  tids tid[];
  sampled integer;
  tree record;
  above text;
  goes text;
  is_hold boolean;
  max_looked_at integer;
  max_taken integer;
  source text;
  sources jsonb := '{}';
  walks jsonb := '{}';
  max_read bigint;
  walk text;
  numbers bigint[];
  found_rows bigint;
  last_number bigint;
  is_whole boolean;
  held bigint[] := '{}';
  seen bigint;
  going numeric;
  is_sample boolean;
  all_seen boolean;
  keys jsonb := '{}';
begin
  select s.* into relations, tids, all_seen from nightshift.sample_due_rows(policy, due_rows, as_of, max_sampled) s;
  sampled := coalesce(cardinality(tids), 0);
  is_sample := not all_seen;
  if all_seen then
    due_rows := sampled;
  end if;
  going := due_rows;

  for tree in select t.* from nightshift.reference_tree(policy.relation) t loop
    above := case when tree.under is null
      then 'select s.n, s.relation, s.tid from unnest($1, $2) with ordinality s(relation, tid, n) where s.n <> all($3)'
      else sources ->> tree.under::text end;
    -- Without an index each row reads the whole table, so a few do, of a small one.
    max_read := greatest(20, least(max_found, case when tree.indexed then 100000 / (
        select count(*) from (select nightshift.all_leaf_relations(tree.referenced) union all select nightshift.all_leaf_relations(tree.referencing)) l
      ) else 10000 / greatest(nightshift.pages_of(tree.referencing), 1) end));
    continue when above is null or not tree.indexed and nightshift.is_large(tree.referencing);
    is_hold := tree.role in ('hold', 'keep');
    goes := case when is_hold then '(' || nightshift.own_due_condition(tree.referencing, as_of) || ') is true' end;
    max_looked_at := case when is_hold then 1000 else max_found end;
    max_taken := case when is_hold then 1 else max_found end;
    -- Rows that nothing refers to are there as well, so that it is known how far a walk has come when it is ended. Of rows
    -- that hold one is enough, unless they are due themselves.
    source := format(
      'select r.n, y.relation, y.tid, r.place
       from (select a.*, row_number() over () as place from (%s) a where a.tid is not null limit %s) r
       left join lateral (
         select l.relation, l.tid
         from (select x.tableoid as relation, x.ctid as tid, %s as goes from %s limit %s) l
         where not l.goes
         limit %s
       ) y on true',
      above, max_read, coalesce(goes, 'false'), nightshift.reference_join(tree.key, true), max_looked_at, max_taken
    );
    walk := format(
      'select coalesce(array_agg(distinct c.n) filter (where c.tid is not null), ''{}''), count(c.tid),
         count(*) < %2$s and coalesce(max(c.place), 0) < %3$s, max(c.n)
       from (%1$s limit %2$s) c',
      source, max_found, max_read
    );
    walks := walks || jsonb_build_object(tree.key::text, walk);
    if tree.indexed then
      sources := sources || jsonb_build_object(tree.key::text, format('select s.n, s.relation, s.tid from (%s) s', source));
    end if;
  end loop;

  -- Who holds rows comes first: children go only with rows that nobody holds.
  for tree in
    select t.*, t.role in ('hold', 'keep') as is_hold
    from nightshift.reference_tree(policy.relation) with ordinality t(key, under, role, own_policy, name, referenced, referencing, indexed, place)
    order by t.role in ('hold', 'keep') desc, t.place
  loop
    walk := walks ->> tree.key::text;
    is_whole := walk is not null and clock_timestamp() < stop_at;
    seen := 0;
    if is_whole then
      execute walk into numbers, found_rows, is_whole, last_number
        using relations, tids, case when tree.is_hold then '{}' else held end;
      -- They come in the order of the sample.
      seen := case when is_whole then sampled else last_number end;
    end if;
    if tree.is_hold then
      held := array(select unnest(held) union select unnest(numbers) where seen > 0);
      all_seen := all_seen and is_whole and not tree.own_policy;
      going := due_rows * (sampled - cardinality(held)) / greatest(sampled, 1)::numeric;
    else
      seen := seen - (select count(*) from unnest(held) h where h <= seen);
    end if;
    keys := keys || jsonb_build_object(tree.key::text, jsonb_build_object(
      'rows', case
        when sampled = 0 then 0
        when tree.is_hold and seen > 0 then round(due_rows * cardinality(numbers) / seen)
        when not tree.is_hold and going = 0 then 0
        when not tree.is_hold and seen > 0 then round(going * found_rows / seen)
      end,
      'rowsExact', is_whole and not is_sample and (tree.is_hold or all_seen)
    ));
  end loop;

  return jsonb_build_object(
    'goes', round(going),
    'goesExact', all_seen,
    'keys', coalesce((
      select jsonb_agg(jsonb_build_object(
        'key', t.name,
        'table', t.referencing::text,
        'columns', nightshift.key_columns(t.key),
        'under', u.name,
        'role', t.role,
        'ownPolicy', t.own_policy,
        'createIndex', case when not t.indexed then nightshift.index_for_key(t.key) end,
        'fix', case when t.role = 'hold' then nightshift.settle_key(policy.relation, t.key) end
      ) || (keys -> t.key::text) order by t.place)
      from nightshift.reference_tree(policy.relation) with ordinality t(key, under, role, own_policy, name, referenced, referencing, indexed, place)
      left join nightshift.reference_tree(policy.relation) u on u.key = t.under
    ), '[]')
  );
end;
$$;

comment on function nightshift.measure_references is
  'What would become of due_rows of a policy, estimated from at most 500 of them: goes, how many nobody holds; keys, each foreign key of reference_tree with what the policy says of it (child, release, keep, hold), rows (how many due rows it holds, or how many rows that refer go along or are released; null where that cannot be known quickly), createIndex and fix where there is something to do. The Exact flags say what is no estimate. No large table is read, and nothing more is counted once budget_ms is over.';

-- supabase/schema/retention/measure_retention_backlog.sql

create or replace function nightshift.measure_retention_backlog(
  run_id uuid,
  fence bigint,
  relation text,
  again boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '2s'
set lock_timeout = '1s'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  policy nightshift.retention_policies;
  context text;
begin
  if again then
    policy := nightshift.policy_of_run(relation);
    return coalesce(nightshift.nothing_left(run, policy), nightshift.measure_backlog(policy, run.started_at));
  end if;
  return nightshift.measure_for_run(run, relation);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_backlog is
  'The backlog of one policy as of the start of the run: dueRows, totalRows, their Exact flags, oldestDueAt, overdueSeconds; of each table of children, estimates of totalRows and of how many of them refer to due rows; and assess: whether so much would go that the brake has to be asked with purge_batch first. Measured once and kept in the ledger, so that a continued run knows what it began with; again measures what is left now. Very many due rows of a table over 32 MB are only estimated, unless it comes near the limit of the brake; and there a purge that has met no row which stays knows that none is left. Besides: warnings, and keys (see describe_holding_keys), which are looked up anew each time. statement_timeout 2 s: right after a large purge the index is full of dead entries. Errors: NS404, NS409, NS422.';

-- supabase/schema/retention/measure_retention_backlogs.sql

-- The backlogs of many tables in one call.
-- Why: on most nights most tables have nothing due, and a call for each takes longer than the look.
-- Locks: at run time ACCESS SHARE on the tables, on about 100 leaves at most.

create or replace function nightshift.measure_retention_backlogs(run_id uuid, fence bigint, relations text[])
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '4s'
set lock_timeout = '100ms'
set jit = off
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '500 milliseconds';
  max_locked constant integer := 100;
  locked integer := 0;
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  relation text;
  backlogs jsonb := '[]';
  context text;
begin
  foreach relation in array relations loop
    exit when backlogs <> '[]' and (locked >= max_locked or clock_timestamp() > stop_at);
    backlogs := backlogs || nightshift.measure_for_run(run, relation);
    locked := locked + (
      -- Of very many leaves each look is undone.
      select case when count(*) > 32 then 1 else count(*) end
      from nightshift.all_leaf_relations(nightshift.find_relation(relation)) l
    );
  end loop;
  return backlogs;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_backlogs is
  'What measure_retention_backlog says of each of these tables, in their order, for as many as half a second and about 100 locks allow, but at least one; the rest: call again. One that cannot be measured fails the call: ask each alone. statement_timeout 4 s, lock_timeout 0.1 s. Errors: NS404, NS409, NS422, 55P03.';

-- supabase/schema/retention/name_refusal.sql

create or replace function nightshift.name_refusal(rows nightshift.row_set[], state text, violated text, context text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    -- A row that a trigger kept still refers to what went with it, which Postgres notices first.
    (
      select nightshift.name_triggers(t.tgrelid, array_agg(t.oid))
      from pg_catalog.pg_constraint c
      join pg_catalog.pg_trigger t on t.tgrelid = c.conrelid and not t.tgisinternal and (t.tgtype & 11) = 11
      where c.conname = violated and c.contype = 'f' and state in ('23503', '23001')
        and c.conrelid in (select r.relation from unnest(rows) r)
      group by t.tgrelid
      order by t.tgrelid
      limit 1
    ),
    -- A trigger can put anything into the fields of an error: only names that are in the catalog are passed on.
    (
      select format('constraint %I on %s', c.conname, c.conrelid::regclass)
      from pg_catalog.pg_constraint c
      where c.conname = violated and c.conrelid <> 0 and state like '23%'
      order by c.conrelid in (select r.relation from unnest(rows) r) desc, c.oid
      limit 1
    ),
    (
      select nightshift.name_triggers(t.tgrelid, array_agg(t.oid), case
        when c.raised then format('line %s of %s', c.line, c.function)
        else format('%s, called in line %s of %s', nightshift.place_in_code(context), c.line, c.function) end)
      from (select f.*, f.depth = min(f.depth) over () as raised from nightshift.code_in_context(context) f) c
      join pg_catalog.pg_trigger t on t.tgfoid = c.function and not t.tgisinternal
      group by c.depth, c.raised, c.line, c.function, t.tgrelid, t.tgtype & 8
      order by
        t.tgrelid in (select r.relation from unnest(rows) r) desc,
        -- A row that goes by a cascade fires the triggers of its own table.
        exists (
          select from pg_catalog.pg_constraint k
          where k.contype = 'f' and k.conrelid = t.tgrelid and k.confrelid in (select r.relation from unnest(rows) r)
        ) desc,
        t.tgtype & 8 desc, c.depth, t.tgrelid
      limit 1
    ),
    (
      select nightshift.name_triggers(t.tgrelid, array_agg(t.oid))
      from pg_catalog.pg_trigger t
      where t.tgrelid in (select r.relation from unnest(rows) r) and not t.tgisinternal
        and (t.tgtype & 8) = 8 and (state <> 'NS422' or (t.tgtype & 3) = 3)
      group by t.tgrelid
      order by t.tgrelid
      limit 1
    ),
    format('error %s', state)
  );
$$;

comment on function nightshift.name_refusal is
  'What refused to let rows go, by the name that the catalog has for it: a constraint, or a trigger with its function and, where it raised, the line.';

-- supabase/schema/retention/name_triggers.sql

create or replace function nightshift.name_triggers(relation regclass, triggers oid[], place text default null)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('trigger %s on %s (%s)',
    string_agg(format('%I', t.tgname), ' or ' order by t.tgname),
    relation,
    coalesce(place, string_agg(distinct t.tgfoid::regprocedure::text, ' or ')))
  from pg_catalog.pg_trigger t
  where t.oid = any(triggers)
$$;

comment on function nightshift.name_triggers is
  'In words: triggers of a table, with the place in the code where one of them raised, or else their functions.';

-- supabase/schema/retention/next_leaf.sql

create or replace function nightshift.next_leaf(policy nightshift.retention_policies, done oid, due text, as_of timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked, with its indexes, until the batch ends.
  max_leaves constant integer := 100;
  leaves constant oid[] := array(
    select l::oid
    from nightshift.leaf_relations(policy.relation) l
    where l::oid > done and l::oid in (
      select nightshift.partitions_before(policy.relation, policy.marker_column, least(as_of, now()) - policy.drop_after)
    )
    order by l::oid
    limit max_leaves
  );
  leaf oid;
  mode text;
begin
  foreach leaf in array leaves loop
    mode := nightshift.way_into_leaf(leaf, policy.marker_column, due);
    if mode is not null then
      return jsonb_build_object('leaf', leaf::bigint, 'mode', mode);
    end if;
  end loop;
  return case when cardinality(leaves) = max_leaves then jsonb_build_object('leaf', leaf::bigint, 'leafDone', true) end;
end;
$$;

comment on function nightshift.next_leaf is
  'Where a purge goes on after the leaf with oid done: {leaf, mode: see way_into_leaf}; or {leaf, leafDone} behind 100 leaves that have nothing due; or null when none further has.';

-- supabase/schema/retention/next_seeds.sql

create or replace function nightshift.next_seeds(
  run nightshift.runs,
  policy nightshift.retention_policies,
  inout step jsonb,
  batch_rows integer,
  locking boolean,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked until the batch ends, with its indexes, and all sessions have room for a few thousand locks.
  max_leaves constant integer := 100;
  stop_at timestamptz;
  lock_clause constant text := case when locking then 'for update skip locked' else '' end;
  cutoff constant timestamptz := least(run.started_at, now()) - policy.drop_after;
  left_alone oid[];
  outside text;
  cursor jsonb := coalesce(step -> 'cursor', '{"leaf": 0, "leafDone": true}');
  leaf regclass;
  due text;
  mode text;
  chosen tid[];
  passed_over bigint;
  known nightshift.held_row[];
  looked_at integer := 0;
  is_full boolean := cursor = 'null';
begin
  seeds := '{}';
  for leaf in
    select l
    from nightshift.all_leaf_relations(policy.relation) l
    -- A leaf that is not there any more was dropped or detached since the last batch: its rows are no longer ours.
    where (l::oid > (cursor ->> 'leaf')::oid or l::oid = (cursor ->> 'leaf')::oid and (cursor ->> 'leafDone')::boolean is not true)
      and l::oid in (select nightshift.partitions_before(policy.relation, policy.marker_column, cutoff))
    order by l::oid
  loop
    stop_at := coalesce(stop_at, clock_timestamp() + interval '150 milliseconds');
    is_full := looked_at = max_leaves or nightshift.count_rows(seeds) >= batch_rows or looked_at > 0 and clock_timestamp() > stop_at;
    exit when is_full;
    if left_alone is null and nightshift.may_be_left_alone(leaf, run.started_at) then
      select a.partitions, a.otherwise into left_alone, outside from nightshift.left_alone('r', policy.relation, run.started_at) a;
    end if;
    if leaf::oid = any(left_alone) then
      cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
      continue;
    end if;
    looked_at := looked_at + 1;
    due := nightshift.due_by_marker(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    ) || coalesce(outside, '');
    begin
      if leaf::oid <> (cursor ->> 'leaf')::oid then
        mode := nightshift.way_into_leaf(leaf, policy.marker_column, due);
        cursor := jsonb_build_object('leaf', leaf::oid::bigint) || case
          when mode is null then '{"leafDone": true}' else jsonb_build_object('mode', mode) end;
        continue when mode is null;
      end if;
      perform nightshift.hold_table(leaf, lock_clause);
    exception
      -- Dropped just now; what is gone has a number for a name.
      when sqlstate 'NS404' or undefined_table or syntax_error then
        cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
        continue;
    end;
    -- Or detached.
    if not exists (select from nightshift.covering_policy(leaf, array[policy.relation::oid])) then
      cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
      continue;
    end if;
    due := nightshift.due_by_marker(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    ) || coalesce(outside, '');
    loop
      select c.cursor, c.chosen, c.passed_over into cursor, chosen, passed_over
      from nightshift.choose_due_rows(
        -- A handful at the end of a batch would be the way into a leaf for little.
        leaf, due, policy.marker_column, lock_clause,
        greatest(batch_rows - nightshift.count_rows(seeds), least(batch_rows, 500))::integer, cursor
      ) c;
      step := step || jsonb_build_object('rowsPassedOver', (step ->> 'rowsPassedOver')::bigint + coalesce(passed_over, 0));
      -- Counted before they moved here.
      if exists (select from nightshift.purge_counted c where c.run_id = run.id) then
        chosen := array(
          select t from unnest(chosen) t
          where t not in (
            select c.tid from nightshift.purge_counted c
            where c.run_id = run.id and c.relation = leaf::oid and c.tid = any(chosen)
          )
        );
      end if;
      -- Decided before, with rows that refer to them: counted here, and not walked a second time.
      known := nightshift.known_decisions(run.id, policy.relation, leaf, chosen);
      step := nightshift.count_held(step, known);
      seeds := seeds || nightshift.subtract_held(
        case when coalesce(cardinality(chosen), 0) = 0 then '{}' else array[row(policy.relation, leaf, true, chosen)::nightshift.row_set] end, known
      );
      if (cursor ->> 'leafDone')::boolean then
        cursor := jsonb_build_object('leaf', leaf::oid::bigint, 'leafDone', true);
        exit;
      end if;
      is_full := cardinality(seeds) > 0 or clock_timestamp() > stop_at;
      exit when is_full;
    end loop;
    exit when is_full;
  end loop;
  step := step || jsonb_build_object('cursor', case when is_full then cursor else 'null' end);
end;
$$;

comment on function nightshift.next_seeds is
  'The next due rows of a policy after step.cursor, at most about batch_rows of at most 100 leaves, locked where locking says so, without those that the run has decided; these are counted in step. cursor: the leaf, leafDone where it was the last that is done with, and see choose_due_rows; null when nothing is left.';

-- supabase/schema/retention/note_assessment.sql

create or replace function nightshift.note_assessment(run nightshift.runs, relation regclass, step jsonb, finished boolean)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  refusal constant text := nightshift.brake(run, relation, nightshift.gone_of(relation, step));
begin
  if refusal is not null then
    update nightshift.runs r
    set progress = r.progress || jsonb_build_object(
      'refusals', coalesce(r.progress -> 'refusals', '{}') || jsonb_build_object(relation::text, refusal)
    )
    where r.id = run.id;
  end if;
  if refusal is not null or finished then
    delete from nightshift.purge_decisions d where d.run_id = run.id and d.fate = 'assessed';
    delete from nightshift.purge_pending p where p.run_id = run.id and p.turn = note_assessment.relation::oid;
  end if;
  return refusal;
end;
$$;

comment on function nightshift.note_assessment is
  'What the brake says of an assessment so far, which is noted in the ledger; null when as much may go. Forgets what the assessment knew of rows when it is over.';

-- supabase/schema/retention/note_decisions.sql

create or replace function nightshift.note_decisions(
  run nightshift.runs,
  turn regclass,
  level integer,
  seeds nightshift.row_set[],
  deleted nightshift.row_set[],
  held nightshift.held_row[],
  in_circle boolean,
  fate_of_deleted text
)
returns nightshift.held_row[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  counted nightshift.held_row[];
begin
  -- Of two reasons for which a row may go, one was enough.
  held := array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from (
      select distinct on (h.relation, h.tid, h.reason) h.*, min(h.fate) over (partition by h.relation, h.tid) as first_fate
      from unnest(held) h
      order by h.relation, h.tid, h.reason, h.fate
    ) h
    where h.fate = h.first_fate
      and (h.relation, h.tid) not in (select d.relation, t.tid from unnest(deleted) d cross join lateral unnest(d.tids) t(tid))
  );
  counted := array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from unnest(held) h
    where case when level is null
      then (h.relation, h.tid) in (select s.relation, t.tid from unnest(seeds) s cross join lateral unnest(s.tids) t(tid))
      else (h.relation, h.tid) in (
        select p.relation, p.tid from nightshift.purge_pending p where p.run_id = run.id and p.turn = note_decisions.turn::oid and p.walked)
      end
  );
  if in_circle or exists (select from unnest(held) h where h.fate = 'undecided') then
    perform nightshift.remember_held(run.id, held);
  elsif exists (select from unnest(held) h where h.fate = 'kept') then
    -- So that what they refer to is kept as well, and not blocked.
    perform nightshift.remember_held(run.id, array(
      select h
      from unnest(held) h
      where h.fate = 'kept' and h.relation in (
        select r.relation
        from (select distinct h.relation from unnest(held) h) r
        where nightshift.refers_to_policy(r.relation)
      )
    ));
  end if;
  if fate_of_deleted is not null then
    insert into nightshift.purge_decisions (run_id, relation, tid, fate)
    select run.id, d.relation, t.tid, fate_of_deleted
    from nightshift.sets_to_remember(run, deleted) d cross join lateral unnest(d.tids) t(tid)
    order by d.relation, t.tid
    on conflict do nothing;
  end if;
  if level is not null then
    delete from nightshift.purge_pending p
    where p.run_id = run.id and p.turn = note_decisions.turn::oid
      and (
        p.level = note_decisions.level
        or (p.relation, p.tid) in (select h.relation, h.tid from unnest(held) h)
      );
  end if;
  return counted;
end;
$$;

comment on function nightshift.note_decisions is
  'Remembers what a batch decided, as far as the run can meet the rows again: those that stay where references may run in a circle, those that are kept and refer to rows that may be due, and what a dry run counts as gone. Returns the rows of held that the cursor has passed, which are to be counted now.';

-- supabase/schema/retention/note_released.sql

create or replace function nightshift.note_released(
  run nightshift.runs,
  scope oid[],
  turn regclass,
  deleted nightshift.row_set[],
  released nightshift.released_row[],
  inout steps jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
-- As in follow_moved_rows.
set enable_seqscan = off
set enable_nestloop = off
as $$
declare
  gone constant nightshift.row_set[] := array(
    select d from unnest(deleted) d
    where exists (select from nightshift.purge_released r where r.run_id = run.id and r.relation = d.relation)
  );
  gone_tids constant tid[] := array(select unnest(g.tids) from unnest(gone) g);
  changed record;
  may_go tid[];
begin
  -- So it is in nearly every run.
  if cardinality(released) = 0 and not exists (select from nightshift.purge_released r where r.run_id = run.id) then
    return;
  end if;
  steps := nightshift.add_released(steps, turn::text, nightshift.count_released(released));
  -- Those that are gone now need not be counted any more.
  for changed in
    with forgotten as (
      delete from nightshift.purge_released r
      where r.run_id = run.id and r.relation in (select g.relation from unnest(gone) g) and r.tid = any(gone_tids)
        and (r.relation, r.tid) in (select g.relation, t.tid from unnest(gone) g cross join lateral unnest(g.tids) t(tid))
      returning r.turn, r.referencing, r."references"
    )
    select f.turn, jsonb_object_agg(f.referencing::regclass, -f.n) as counts
    from (select f.turn, f.referencing, sum(f."references") as n from forgotten f group by f.turn, f.referencing) f
    group by f.turn
  loop
    steps := nightshift.add_released(steps, changed.turn::regclass::text, changed.counts);
  end loop;

  for changed in
    select r.relation, array_agg(distinct r.tid) as tids,
      exists (
        select from nightshift.policy_members(scope) m
        where m.is_child and r.relation in (select nightshift.related_tables(m.member))
      ) as is_child
    from unnest(released) r
    group by r.relation
  loop
    may_go := case when changed.is_child then changed.tids
      else nightshift.find_due_among(run, scope, changed.relation, changed.tids) end;
    insert into nightshift.purge_released as p (run_id, relation, tid, turn, referencing, "references")
    select run.id, r.relation, r.tid, note_released.turn, c.conrelid, count(*)
    from unnest(released) r
    join pg_catalog.pg_constraint c on c.oid = r.key
    where r.relation = changed.relation and r.tid in (select t from unnest(may_go) t)
    group by r.relation, r.tid, c.conrelid
    on conflict on constraint purge_released_pkey do update set "references" = p."references" + excluded."references";
  end loop;
end;
$$;

comment on function nightshift.note_released is
  'Counts references that a batch has released in the step of the table whose turn it is. Of rows that went before their time came, they are not counted: those that may yet go are remembered.';

-- supabase/schema/retention/nothing_left.sql

create or replace function nightshift.nothing_left(run nightshift.runs, policy nightshift.retention_policies)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Below 32 MB it is quick to count what is left, with rows that others have moved behind the walk.
  counted_pages constant integer := 4096;
  step constant jsonb := run.progress #> array['steps', policy.relation::text];
begin
  if step -> 'cursor' = 'null'
    and (step ->> 'rowsPassedOver')::bigint = 0
    and (step ->> 'rowsBlocked')::bigint + (step ->> 'rowsKept')::bigint
      + (step ->> 'rowsRefused')::bigint + (step ->> 'rowsUndecided')::bigint = 0
    and not exists (select from nightshift.purge_pending p where p.run_id = run.id and p.turn = policy.relation::oid)
    and nightshift.pages_of(policy.relation) > counted_pages
  then
    return jsonb_build_object(
      'dueRows', 0,
      'dueRowsExact', false,
      'totalRows', greatest(
        (run.progress #>> array['backlogs', policy.relation::text, 'totalRows'])::bigint - (step ->> 'rowsPurged')::bigint, 0),
      'totalRowsExact', false,
      'oldestDueAt', null,
      'overdueSeconds', null
    );
  end if;
  return null;
end;
$$;

comment on function nightshift.nothing_left is
  'The backlog of a policy whose large table a purge has walked to its end without meeting a due row that stays; null when there may be some left to be counted. What the purge knows costs nothing, and the index is full of dead entries then.';

-- supabase/schema/retention/own_due_condition.sql

create or replace function nightshift.own_due_condition(relation regclass, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('x.tableoid = any(%L::oid[]) and (%s) is true',
    array(select l::oid from nightshift.leaf_relations(p.relation) l),
    nightshift.due_condition('x', p.relation, p.drop_after, p.marker_column, p.flag_column, own_due_condition.as_of)), ' or ')
  from nightshift.related_policies(own_due_condition.relation) p
  where p.enabled;
$$;

comment on function nightshift.own_due_condition is
  'The SQL condition, for rows x of a table, that an enabled policy of its own lets them go; null without one.';

-- supabase/schema/retention/pages_of.sql

create or replace function nightshift.pages_of(relation regclass)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(pg_relation_size(l)), 0)::bigint / current_setting('block_size')::bigint
  from nightshift.all_leaf_relations(pages_of.relation) l;
$$;

comment on function nightshift.pages_of is 'How many pages the rows of a table take, with its partitions.';

-- supabase/schema/retention/partitions_before.sql

create or replace function nightshift.partitions_before(relation regclass, column_name name, cutoff timestamptz)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  level oid[] := array[relation::oid];
begin
  while level <> '{}' loop
    return query select unnest(level);
    level := array(
      select p.oid
      from pg_catalog.pg_class c
      left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = column_name and not a.attisdropped
      left join pg_catalog.pg_partitioned_table t on t.partrelid = c.oid and t.partstrat = 'r' and t.partattrs[0] = a.attnum
        -- In the usual order of times, not in one of somebody's own.
        and exists (select from pg_catalog.pg_opclass o where o.oid = t.partclass[0] and o.opcdefault)
      join pg_catalog.pg_inherits i on i.inhparent = c.oid and not i.inhdetachpending
      join pg_catalog.pg_class p on p.oid = i.inhrelid
      where c.oid = any(level) and c.relkind = 'p'
        and (
          t.partrelid is null
          -- Years of four digits: what lies before or far ahead of them, or has no beginning, is looked at.
          or (substring(pg_get_expr(p.relpartbound, 0) from '^FOR VALUES FROM \(''(\d{4}-\d\d-\d\d[^B'']*)''')::timestamptz >= cutoff)
            is not true
        )
    );
  end loop;
end;
$$;

comment on function nightshift.partitions_before is
  'A table, and its partitions at every level, without those that can have no row with a time in column_name before cutoff, because their bounds say so.';

-- supabase/schema/retention/partitions_below.sql

create or replace function nightshift.partitions_below(relation regclass)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
declare
  level oid[] := array[relation::oid];
begin
  -- pg_partition_tree looks up the ancestors of each partition as well, which takes several times as long.
  while level <> '{}' loop
    return query select unnest(level);
    level := array(
      select i.inhrelid
      from pg_catalog.pg_class c
      -- Half detached, it is no partition to whoever reads the table.
      join pg_catalog.pg_inherits i on i.inhparent = c.oid and not i.inhdetachpending
      where c.oid = any(level) and c.relkind = 'p'
    );
  end loop;
end;
$$;

comment on function nightshift.partitions_below is 'A table, and its partitions at every level.';

-- supabase/schema/retention/partitions_to_retire.sql

-- The purge leaves partitions that are wholly due to the partition policy of their table, for two nights.
-- Why: detaching them costs next to nothing; deleting their rows one by one first would cost as much as all the rest.
--      Here and elsewhere jit is off, or a function is plpgsql, because Postgres expects a thousand rows of every function,
--      and would compile for longer than the query runs.

create or replace function nightshift.partitions_to_retire(relation regclass, as_of timestamptz default now())
returns table (parent regclass, partition oid, key_column name, from_bound text, to_bound text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  root constant regclass := pg_partition_root(partitions_to_retire.relation);
  parents oid[];
  states nightshift.partition_state[];
begin
  if root is null then
    return;
  end if;
  parents := array(
    select p.parent::oid
    from nightshift.partition_policies p
    join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent
    join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
    where p.enabled and p.retention is not null
      and pg_partition_root(p.parent) = root and nightshift.are_related(p.parent, partitions_to_retire.relation)
      -- On most nights none is due, and that is seen before all that is to be known of each is worked out.
      and exists (
        select from nightshift.partitions_before(
          p.parent, a.attname, (least(partitions_to_retire.as_of, now()) at time zone 'UTC' - p.retention) at time zone 'UTC'
        ) b
        where b not in (t.partrelid, t.partdefid)
      )
  );
  if parents = '{}' then
    return;
  end if;
  states := array(select a from nightshift.assess_partitions(parents, partitions_to_retire.as_of) a where a.due <> '{}' or a.kept <> '{}');
  if states = '{}' then
    return;
  end if;
  return query
  select r.parent::regclass, r.partition, a.key_column, r.from_bound, r.to_bound
  from unnest(states) a
  join nightshift.read_partitions(parents) r on r.parent = a.parent
  -- Two nights for the retirement; what it cannot take out by then is purged as ever.
  where r.partition = any(a.due) and r.upper > a.cutoff - interval '2 days' or r.partition = any(a.kept);
end;
$$;

comment on function nightshift.partitions_to_retire is
  'The partitions of a table, or around it, that a purge leaves alone: those that have been due to be retired for less than two days, and those that were attached again by hand.';

-- supabase/schema/retention/plan_retention_purge.sql

-- The plan of a purge: which policies a run covers, and in which order.
-- Why: what a run may touch is fixed when it begins. All that may take long or fail for one table is asked of that table alone.
-- Locks: it reads.

create or replace function nightshift.plan_retention_purge(run_id uuid, fence bigint, only_relations text[] default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  run nightshift.runs;
  chosen regclass[];
  turns jsonb;
begin
  run := nightshift.hold_run(run_id, fence);
  perform nightshift.follow_tables();

  perform nightshift.require_retention_policies(only_relations || nightshift.forced_names(run));

  select coalesce(array_agg(p.relation order by p.relation::text), '{}') into chosen
  from nightshift.retention_policies p
  where p.enabled
    -- A continued run keeps to what it began with.
    and (run.progress -> 'scope' is null or run.progress -> 'scope' @> to_jsonb(p.relation::oid::bigint))
    and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o));

  select coalesce(jsonb_object_agg(o.policy::text, to_jsonb(o)), '{}') into turns from nightshift.purge_order(chosen) o;
  -- The scope is kept in the ledger: no batch of this run can touch a table that this plan did not name.
  update nightshift.runs r
  set progress = jsonb_build_object(
    'scope', to_jsonb(chosen::oid[]::bigint[]),
    'components', (
      select coalesce(jsonb_object_agg(t.policy, t.turn -> 'component'), '{}')
      from jsonb_each(turns) t(policy, turn) where t.turn -> 'component' <> '[]'
    ),
    'steps', '{}'::jsonb
  ) || r.progress
  where r.id = plan_retention_purge.run_id;
  perform nightshift.forget_decisions();

  return jsonb_build_object(
    'policies', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'relation', p.relation::text,
          'dropAfter', p.drop_after::text,
          'maxFraction', p.max_fraction,
          'refusal', run.progress #> array['refusals', p.relation::text]
        )
        order by (turns #>> array[p.relation::oid::text, 'position'])::bigint, p.relation::text
      )
      from nightshift.retention_policies p
      where p.relation = any(chosen)
    ), '[]'),
    'disabled', coalesce((
      select jsonb_agg(p.relation::text order by p.relation::text)
      from nightshift.retention_policies p
      where not p.enabled and (only_relations is null or p.relation in (select nightshift.find_relation(o) from unnest(only_relations) o))
    ), '[]')
  );
end;
$$;

comment on function nightshift.plan_retention_purge is
  'The enabled policies that this run covers, in the order of their turns (tables that refer come before what they refer to), and the tables whose policy is disabled; fixes the former as the scope of the run. It looks at the catalogs alone; what there is to say of each table, measure_retention_backlog says, one table a call. refusal: what the brake said in an earlier attempt. only_relations: names as SQL writes them; null for all. Errors: NS404 for a name without a policy, NS409 lease lost.';

-- supabase/schema/retention/policy_members.sql

create or replace function nightshift.policy_members(policies oid[])
returns table (policy oid, member regclass, is_child boolean)
language plpgsql
stable
rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.relation::oid, p.relation, false
  from nightshift.retention_policies p where p.relation::oid = any(policies)
  union
  select k.policy::oid, k.referencing, true
  from nightshift.retention_keys k where k.policy::oid = any(policies) and k.role = 'child';
end;
$$;

comment on function nightshift.policy_members is 'The tables that lose rows by these policies: their own, and those of children.';

-- supabase/schema/retention/policy_of_run.sql

create or replace function nightshift.policy_of_run(relation text)
returns nightshift.retention_policies
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
begin
  select p.* into policy from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(policy_of_run.relation);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'It was removed, or its table dropped or renamed, since the run began.';
  end if;
  return policy;
end;
$$;

comment on function nightshift.policy_of_run is
  'The policy of a table that the plan of a run has named. Errors: NS404.';

-- supabase/schema/retention/preview_retention_purge.sql

create or replace function nightshift.preview_retention_purge(as_of timestamptz default now(), budget_ms integer default 4000)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set jit = off
as $$
declare
  -- Besides counting there is the catalog to read. The API ends a statement after 8 s, and with it what is known by then.
  stop_at constant timestamptz := clock_timestamp() + make_interval(secs => budget_ms / 1000.0 + 2);
  policy nightshift.retention_policies;
  policies oid[];
  entry jsonb;
  entries jsonb := '[]';
  context text;
begin
  perform nightshift.follow_tables();
  policies := array(select p.relation::oid from nightshift.retention_policies p);
  for policy in
    select p.*
    from nightshift.retention_policies p
    left join nightshift.purge_order(array(select e.relation::oid from nightshift.retention_policies e where e.enabled)) o
      on o.policy = p.relation::oid
    order by o.position, p.relation::text
  loop
    entry := nightshift.describe_retention_policy(policy);
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      if policy.enabled then
        entry := entry || jsonb_build_object('warnings', nightshift.retention_warnings(policy.relation))
          || nightshift.measure_backlog(policy, as_of, least(300, budget_ms / 4 / cardinality(policies)));
        entry := entry || nightshift.measure_references(
          policy, (entry ->> 'dueRows')::bigint, as_of, budget_ms * 3 / 4 / cardinality(policies));
      end if;
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' or insufficient_privilege or lock_not_available then
        entry := entry || jsonb_build_object('problem', jsonb_build_object('code', sqlstate, 'message', sqlerrm));
    end;
    entries := entries || entry;
  end loop;
  return entries;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.preview_retention_purge is
  'What a purge would do, without a run: each policy as list_retention_policies has it, in the order of their turns, with goes (how many due rows nobody holds) and keys (who refers to them, and what becomes of those rows), as measure_references estimates them. A policy that no longer fits its table, or for which there was no time, carries problem instead, one that is switched off neither. budget_ms: time for counting in all, default 4000.';

-- supabase/schema/retention/purge_batch.sql

-- One batch of the purge: choose, lock, check again, delete, account for it. One call, one transaction.
-- Why: a row may be restored, or gain a row that refers to it, at any moment up to the lock; a function may die at any
--      moment after it. Choosing happens under the lock, and the ledger moves in the same transaction as the rows.
-- Locks: at run time ROW EXCLUSIVE on the purged table and on due tables that refer to it, waited for at most 0.5 s, and row
--        locks on due rows, waited for at most 20 ms. All less than deadlock_timeout, so that a migration that takes tables
--        in another order is not the one to fail: the purge gives way.

create or replace function nightshift.purge_batch(
  run_id uuid,
  fence bigint,
  relation text,
  batch_rows integer,
  assess boolean default false,
  closure_rows integer default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set max_parallel_workers_per_gather = 0
set statement_timeout = '5s'
set lock_timeout = '500ms'
set jit = off
as $$
declare
  started constant timestamptz := clock_timestamp();
  max_rows constant integer := coalesce(closure_rows, greatest(32 * batch_rows, 8000));
  -- Smaller batches are small for a reason.
  fewest_rows constant integer := 500;
  section constant text := case when assess then 'assessments' else 'steps' end;
  run nightshift.runs;
  scope oid[];
  component oid[];
  policy nightshift.retention_policies;
  dry boolean;
  step jsonb;
  level integer;
  seeds nightshift.row_set[];
  by_slices boolean := false;
  resolved record;
  result record;
  deleted nightshift.row_set[] := '{}';
  finished boolean;
  refusal text;
  context text;
begin
  perform nightshift.require_nothing_queued();
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = 'The purge needs isolation level read committed, not ' || current_setting('transaction_isolation'),
      detail = 'Under a fixed snapshot it could not see rows that appear after the lock.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if batch_rows is null or batch_rows < 1 or max_rows < 1 then
    raise exception using
      errcode = 'NS422',
      message = 'batch_rows and closure_rows must be at least 1',
      hint = 'batch_rows is about how many rows a batch looks at; begin with 1000, and leave closure_rows out.';
  end if;

  run := nightshift.hold_run(run_id, fence);
  -- Triggers of the application can tell a purge from a user.
  perform set_config('nightshift.run_id', run.id::text, true);
  dry := run.dry_run or assess;
  -- What the brake has refused stays, and keeps what it refers to.
  scope := array(
    select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s
    where not coalesce(run.progress -> 'refusals' ? s::oid::regclass::text, false)
  );
  if not run.dry_run then
    -- Held until the end: once a policy is removed or changed, no batch deletes by what it was.
    perform 1 from nightshift.retention_policies p where p.relation::oid = any(scope) for share;
  end if;
  select p.* into policy
  from nightshift.retention_policies p
  where p.relation = nightshift.find_relation(purge_batch.relation) and p.enabled and p.relation::oid = any(scope);
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no enabled retention policy in the scope of this run', purge_batch.relation),
      hint = 'It was removed, disabled or renamed since the run began; the next run follows the policies as they are then.';
  end if;
  -- Other tables lose rows here only when their brake can be asked, which needs their backlog.
  component := array(
    select c::oid from jsonb_array_elements_text(run.progress #> array['components', policy.relation::oid::text]) c
    where c::oid = any(scope)
      and (c::oid = policy.relation::oid or run.progress -> 'backlogs' ? c::oid::regclass::text)
      and exists (select from nightshift.retention_policies p where p.relation::oid = c::oid and p.enabled)
  );
  step := '{"rowsPurged": 0, "rowsBlocked": 0, "blockedBy": {}, "rowsKept": 0, "keptBy": {}, "rowsRefused": 0, "refusedBy": {}, "rowsUndecided": 0, "rowsPassedOver": 0, "children": {}, "released": {}, "batches": 0}'::jsonb
    || coalesce(run.progress #> array[section, policy.relation::text], '{}');

  select t.level, t.seeds into level, seeds from nightshift.take_pending(run, scope, policy.relation, not dry) t;
  if level is null and not dry and cardinality(component) = 0 and batch_rows >= fewest_rows then
    select s.step, s.deleted_rows is not null, s.seeds into step, by_slices, seeds
    from nightshift.purge_slices(run, policy, batch_rows, step) s;
    run.progress := run.progress || jsonb_build_object(
      section, coalesce(run.progress -> section, '{}') || jsonb_build_object(policy.relation::text, step));
  end if;
  if level is not null then
    -- Of rows that waited, nobody knows which are in use and which are gone.
    step := step || '{"rowsPassedOver": null}';
  elsif not by_slices then
    select n.step, n.seeds into step, seeds from nightshift.next_seeds(run, policy, step, batch_rows, not dry) n;
  end if;
  select r.* into resolved from nightshift.resolve_references(run, seeds, component, not dry, max_rows) r;
  if not resolved.complete and nightshift.count_rows(seeds) = 1 then
    -- It cannot be made any smaller, so it may take all that a statement has time for.
    select r.* into resolved from nightshift.resolve_references(run, seeds, component, not dry, 8 * max_rows) r;
    if not resolved.complete then
      resolved.rows_to_delete := '{}';
      resolved.released := '{}';
      resolved.held := array[row(seeds[1].policy, seeds[1].relation, seeds[1].tids[1], 'undecided', null)::nightshift.held_row];
    end if;
  elsif not resolved.complete then
    perform nightshift.put_off(run, policy.relation, level, seeds, resolved.ahead);
    resolved.rows_to_delete := null;
  end if;

  if resolved.rows_to_delete is not null then
    if not dry then
      perform nightshift.apply_brake(run, resolved.rows_to_delete);
      select d.* into result
      from nightshift.delete_closure(run, scope, component, resolved.rows_to_delete, resolved.held, resolved.released) d;
    else
      select resolved.rows_to_delete as deleted, resolved.held, resolved.released, '{}'::nightshift.moved_row[] as moved into result;
    end if;
    deleted := result.deleted;
    seeds := case when cardinality(result.moved) > 0 then nightshift.follow_rows(seeds) else seeds end;
    step := nightshift.count_held(step, nightshift.note_decisions(
      run, policy.relation, level, seeds, deleted, result.held, cardinality(component) > 0,
      case when assess then 'assessed' when dry then 'gone' end
    ));
    if cardinality(result.moved) > 0 then
      step := nightshift.recount_moved_rows(run, policy, step, result.moved);
    end if;
    if not assess then
      run.progress := run.progress || jsonb_build_object(section, nightshift.note_released(
        run, scope, policy.relation, deleted, result.released,
        coalesce(run.progress -> section, '{}') || jsonb_build_object(policy.relation::text, step)
      ));
      step := run.progress #> array[section, policy.relation::text];
    end if;
  end if;
  step := step || jsonb_build_object('batches', (step ->> 'batches')::bigint + 1);
  step := nightshift.record_batch(run, policy.relation, section, step, deleted);
  finished := step -> 'cursor' = 'null' and not exists (
    select from nightshift.purge_pending p where p.run_id = run.id and p.turn = policy.relation::oid
  );
  if assess then
    refusal := nightshift.note_assessment(run, policy.relation, step, finished);
    finished := finished or refusal is not null;
  elsif finished and not run.dry_run then
    update nightshift.retention_policies p set first_purge = null where p.relation = policy.relation and p.first_purge is not null;
  end if;
  return jsonb_build_object(
    'step', step,
    'done', finished,
    'refusal', refusal,
    'bySlices', by_slices and cardinality(seeds) = 0,
    'rowsReached', greatest(nightshift.count_rows(array(select r from unnest(resolved.reached) r where r.due)) - nightshift.count_rows(seeds), 0),
    'pressure', case when not finished then nightshift.read_pressure(started) end,
    'durationMs', round(extract(epoch from clock_timestamp() - started) * 1000, 3)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.purge_batch is
  'Purges the next batch of due rows of one table, about batch_rows of them, and commits (a dry run, and assess, count and delete nothing). A due row is locked (rows locked by others are passed over), checked again under the lock, and goes only when every row that refers to it goes with it; the rest count as blocked (or kept, where the policy says so) by foreign key, or as refused by trigger or constraint. closure_rows: how many rows more may go with a batch, and be released by it, to be decided at once, default 32 times batch_rows and at least 8,000; beyond, rows wait for those that refer to them, and one that takes 8 times as many is left undecided. assess: only ask whether the brake would refuse, in progress.assessments; what it says is the refusal, and the table then takes no further part in the run. Continues where the ledger says the last committed batch stopped. Returns {step: totals of this table in this run, done, refusal, rowsReached: how many due rows besides the batch had to be looked at, pressure: what read_pressure says of the time of the batch, null after the last one, durationMs}. statement_timeout 5 s, lock_timeout 0.5 s. Errors: NS404 policy gone or refused, NS409 lease lost, NS422 policy or trigger does not fit, NS410 cancelled or paused, NS428 more would go than max_fraction allows, NS425 a partition was detached or a row moved meanwhile (repeat the call).';

-- supabase/schema/retention/purge_keys.sql

create or replace function nightshift.purge_keys(policies oid[])
returns setof nightshift.purge_key
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with members as materialized (
    select m.policy, m.member from nightshift.policy_members(policies) m
  ),
  keys as materialized (
    select distinct on (m.policy, r.key) m.policy, r.*
    from nightshift.referencing_keys(array(select distinct m.member::oid from members m)) r
    join members m on m.member::oid = r.relation
  ),
  families as materialized (
    select r.referenced, array(select nightshift.related_tables(r.referenced)) as related
    from (select distinct k.referenced from keys k) r
  )
  select k.policy,
    -- A key of the same name that was made anew may delete what it should release.
    case when d.role = 'release' and c.confdeltype not in ('n', 'd') then 'hold' else coalesce(d.role, 'hold') end,
    k.key, k.name, k.referenced, k.referencing, k.indexed, f.related
  from keys k
  join families f on f.referenced = k.referenced
  join pg_catalog.pg_constraint c on c.oid = k.key
  left join nightshift.retention_keys d
    on d.policy::oid = k.policy and d.referencing = k.referencing and d.constraint_name = k.constraint_name
  order by k.policy, k.key;
end;
$$;

comment on function nightshift.purge_keys is
  'The foreign keys that refer to rows which go by these policies, children included, and what each policy says of them: child, release, keep, or hold where it says nothing.';

-- supabase/schema/retention/purge_order.sql

-- The order of the turns, and the circles in it, by Tarjan's algorithm: each policy and each key is looked at once.

create or replace function nightshift.purge_order(policies oid[])
returns table (policy oid, "position" bigint, component oid[])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  n constant integer := cardinality(policies);
  -- Policies by their place in the array: those that one waits for are waits[first[it]] up to waits[first[it + 1] - 1].
  waits integer[];
  first integer[];
  next_wait integer[];
  zeros constant integer[] := array_fill(0, array[n]);
  number integer[] := zeros;
  lowest integer[] := zeros;
  level integer[] := zeros;
  is_open boolean[] := array_fill(false, array[n]);
  path integer[] := zeros;
  depth integer;
  open integer[] := zeros;
  opened integer := 0;
  numbered integer := 0;
  it integer;
  other integer;
  members integer[];
  highest integer;
begin
  with places as materialized (
    select p.policy, p.place::integer from unnest(policies) with ordinality p(policy, place)
  ),
  edges as materialized (
    select l.place as later, e.place as earlier
    from nightshift.purge_waits(policies) w
    join places l on l.policy = w.later
    join places e on e.policy = w.earlier
  )
  select
    (select coalesce(array_agg(e.earlier order by e.later, e.earlier), '{}') from edges e),
    array(
      select 1 + coalesce(sum(c.edges) over (order by s.place rows between unbounded preceding and 1 preceding), 0)::integer
      from generate_series(1, n + 1) s(place)
      left join (select e.later, count(*) as edges from edges e group by e.later) c on c.later = s.place
      order by s.place
    )
  into waits, first;
  next_wait := first;

  for start in 1..n loop
    continue when number[start] > 0;
    path[1] := start;
    depth := 1;
    while depth > 0 loop
      it := path[depth];
      if number[it] = 0 then
        numbered := numbered + 1;
        number[it] := numbered;
        lowest[it] := numbered;
        opened := opened + 1;
        open[opened] := it;
        is_open[it] := true;
      end if;
      if next_wait[it] < first[it + 1] then
        other := waits[next_wait[it]];
        next_wait[it] := next_wait[it] + 1;
        if number[other] = 0 then
          depth := depth + 1;
          path[depth] := other;
        elsif is_open[other] then
          lowest[it] := least(lowest[it], number[other]);
        else
          level[it] := greatest(level[it], level[other] + 1);
        end if;
        continue;
      end if;

      depth := depth - 1;
      if lowest[it] = number[it] then
        -- What was met since and is still open leads back here: a circle, or this one alone.
        members := '{}';
        highest := 0;
        loop
          other := open[opened];
          opened := opened - 1;
          is_open[other] := false;
          members := members || other;
          highest := greatest(highest, level[other]);
          exit when other = it;
        end loop;
        position := highest;
        component := '{}';
        if cardinality(members) > 1 or it = any(waits[first[it]:first[it + 1] - 1]) then
          component := array(select policies[m] from unnest(members) m order by policies[m]);
        end if;
        foreach other in array members loop
          level[other] := highest;
          policy := policies[other];
          return next;
        end loop;
      end if;
      if depth > 0 then
        other := path[depth];
        if is_open[it] then
          lowest[other] := least(lowest[other], lowest[it]);
        else
          level[other] := greatest(level[other], level[it] + 1);
        end if;
      end if;
    end loop;
  end loop;
end;
$$;

comment on function nightshift.purge_order is
  'In which order policies have their turn (ascending position): tables that refer come first, so that what is left of them then, stays. component: the policies, itself among them, whose rows may refer to each other in a circle, and which are decided together; empty where there is no circle.';

-- supabase/schema/retention/purge_slices.sql

create or replace function nightshift.purge_slices(
  run nightshift.runs,
  policy nightshift.retention_policies,
  batch_rows integer,
  inout step jsonb,
  out deleted_rows bigint,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Users do not notice locks that are held for so long.
  batch_ms constant numeric := 200;
  -- What is lost when a row turns out to be in use.
  slice_ms constant numeric := 50;
  started constant timestamptz := clock_timestamp();
  due text;
  cursor jsonb := step -> 'cursor';
  leaf regclass;
  condition text;
  unreferenced text;
  keys nightshift.purge_key[];
  with_children record;
  after tid;
  -- Little enough for most tables; four slices later it can be much.
  first_blocks constant bigint := 64;
  blocks bigint;
  reckoned bigint;
  -- To go into a partition takes longer than to go through as many.
  few_blocks constant integer := 16;
  end_block bigint;
  slice_started timestamptz;
  before tid;
  slice record;
  left_rows record;
  spent_ms numeric := 0;
begin
  seeds := '{}';
  if cursor is null then
    due := nightshift.due_condition(
      'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
    );
    cursor := coalesce(nightshift.next_leaf(policy, 0, due, run.started_at), 'null');
  end if;
  -- Where rows take long, as with many children, the next batch need not find out again.
  blocks := least(first_blocks, (cursor ->> 'blocks')::bigint);
  while cursor ->> 'mode' = 'sweep' and spent_ms < batch_ms and nightshift.count_rows(seeds) < batch_rows loop
    exit when cursor ? 'careful';
    after := coalesce(cursor ->> 'after', '(0,0)')::tid;
    exit when (after::text::point)[0] < (cursor ->> 'inUseBefore')::bigint;
    if leaf is distinct from (cursor ->> 'leaf')::oid::regclass then
      leaf := (cursor ->> 'leaf')::oid::regclass;
      -- Of small partitions next_seeds takes many at once.
      exit when leaf <> policy.relation and pg_relation_size(leaf) < few_blocks * current_setting('block_size')::bigint;
      exit when leaf not in (select l from nightshift.leaf_relations(policy.relation) l);
      perform nightshift.hold_table(leaf, 'for update');
      -- It may have been detached just before.
      exit when not exists (select from nightshift.covering_policy(leaf, array[policy.relation::oid]));
      keys := nightshift.hold_children(policy.relation);
      select c.* into with_children from nightshift.children_of_slice(policy.relation, keys) c;
      if keys is null or not with_children.is_tree or not nightshift.may_go_unseen(run, leaf, keys) then
        cursor := cursor || '{"careful": true}';
        exit;
      end if;
      due := nightshift.due_condition(
        'r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      condition := nightshift.due_condition(
        't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, run.started_at
      );
      if cursor ? 'floor' then
        -- What an index walk has seen already is not looked at twice.
        condition := condition || format(' and t.%I > %L', policy.marker_column, cursor ->> 'floor');
      end if;
      unreferenced := nightshift.unreferenced_condition(leaf, keys);
    end if;

    end_block := least((after::text::point)[0]::bigint + blocks, 4294967295);
    before := format('(%s,0)', end_block);
    slice_started := clock_timestamp();
    select d.* into slice from nightshift.delete_slice(
      leaf, concat_ws(' and ', condition, case when cursor ? 'referred' then unreferenced end), after, before,
      with_children.referred, with_children.deletes, with_children.cascading
    ) d;
    if slice.is_referred and not cursor ? 'referred' then
      -- From here on, each row is asked before it goes.
      cursor := cursor || '{"referred": true}';
      blocks := least(first_blocks, blocks);
      spent_ms := 1000 * extract(epoch from clock_timestamp() - started);
      continue;
    elsif slice.deleted_rows is null then
      -- Up to there, rows are locked before they are deleted, and those in use are passed over.
      cursor := cursor || jsonb_build_object('inUseBefore', end_block);
      exit;
    end if;
    deleted_rows := coalesce(deleted_rows, 0) + slice.deleted_rows;
    if cursor ? 'referred' then
      -- What is still there has to be looked at after all: it counts for the keys that hold it.
      select l.* into left_rows from nightshift.lock_slice(leaf, condition, after, before) l;
      step := step || jsonb_build_object('rowsPassedOver', (step ->> 'rowsPassedOver')::bigint + left_rows.passed_over);
      if seeds[cardinality(seeds)].relation = leaf::oid then
        seeds[cardinality(seeds)].tids := seeds[cardinality(seeds)].tids || left_rows.chosen;
      elsif cardinality(left_rows.chosen) > 0 then
        seeds := seeds || row(policy.relation, leaf, true, left_rows.chosen)::nightshift.row_set;
      end if;
    end if;
    step := step || jsonb_build_object(
      'rowsPurged', (step ->> 'rowsPurged')::bigint + slice.deleted_rows,
      'children', nightshift.add_counts(step -> 'children', slice.children)
    );
    perform nightshift.require_within_brake(nightshift.brake(run, policy.relation, nightshift.gone_of(policy.relation, step)));
    spent_ms := 1000 * extract(epoch from clock_timestamp() - started);
    if end_block >= pg_relation_size(leaf) / current_setting('block_size')::bigint then
      cursor := coalesce(
        nightshift.next_leaf(policy, leaf, due, run.started_at)
          || case when cursor ? 'referred' then '{"referred": true}'::jsonb else '{}' end,
        'null'
      );
    else
      reckoned := ceil(blocks * least(4, slice_ms / (1000 * extract(epoch from clock_timestamp() - slice_started))));
      cursor := cursor || jsonb_build_object('after', format('(%s,0)', end_block), 'blocks', least(reckoned, first_blocks));
      blocks := ceil(reckoned * least(1, greatest(batch_ms - spent_ms, 1) / slice_ms));
    end if;
  end loop;
  step := step || jsonb_build_object('cursor', cursor);
  if deleted_rows > 0 then
    update nightshift.retention_policies p
    set last_purged_at = clock_timestamp(), last_purged_run = run.id, last_purged_rows = (step ->> 'rowsPurged')::bigint
    where p.relation = policy.relation;
  end if;
end;
$$;

comment on function nightshift.purge_slices is
  'Deletes due rows of a policy slice by slice after step.cursor, for about 200 ms, as long as they need no look at each (see may_go_unseen), and counts them in step. seeds: rows between them that others refer to, locked, which have to be looked at after all; about batch_rows of them end the batch. deleted_rows is null when the next rows have to be chosen, locked and looked at: where they are sparse or in a small partition, may not go unseen, or one of them is in use.';

-- supabase/schema/retention/purge_waits.sql

create or replace function nightshift.purge_waits(policies oid[])
returns table (later oid, earlier oid)
language plpgsql
stable
rows 100
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with members as materialized (
    select m.policy, m.member, coalesce(pg_partition_root(m.member), m.member) as root
    from nightshift.policy_members(policies) m
  ),
  keys as materialized (
    select k.policy, k.referencing, coalesce(pg_partition_root(k.referencing), k.referencing) as root
    from nightshift.purge_keys(policies) k
    where k.role in ('hold', 'keep')
  )
  select distinct k.policy, m.policy
  from keys k
  join members m on m.root = k.root
  where nightshift.are_related(m.member, k.referencing);
end;
$$;

comment on function nightshift.purge_waits is
  'Which policies have their turn later than which others: what is referred to comes after what refers to it and may go itself.';

-- supabase/schema/retention/put_off.sql

create or replace function nightshift.put_off(
  run nightshift.runs,
  turn regclass,
  level integer,
  seeds nightshift.row_set[],
  ahead nightshift.row_set[]
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- The seeds wait for what refers to them; when nothing else is due there, all but a quarter of them wait for the rest.
  insert into nightshift.purge_pending as p (run_id, turn, relation, tid, policy, level, walked)
  select distinct on (r.relation, r.tid) run.id, turn::oid, r.relation, r.tid, r.policy, r.level, r.walked
  from (
    select s.relation, t.tid, s.policy, true as walked,
      coalesce(put_off.level, 1) + case
        when cardinality(ahead) = 0 and 4 * (row_number() over () - 1) < nightshift.count_rows(seeds) then 1 else 0 end as level
    from unnest(seeds) s cross join lateral unnest(s.tids) t(tid)
    union all
    select a.relation, t.tid, a.policy, false, coalesce(put_off.level, 1) + 1
    from unnest(ahead) a cross join lateral unnest(a.tids) t(tid)
  ) r
  on conflict (run_id, turn, relation, tid) do update set level = excluded.level;
$$;

comment on function nightshift.put_off is
  'Remembers rows that are too many to decide at once: those ahead are taken up first, or a quarter of the seeds when nothing is ahead.';

-- supabase/schema/retention/reach_rows.sql

create or replace function nightshift.reach_rows(
  run nightshift.runs,
  seeds nightshift.row_set[],
  component oid[],
  keys nightshift.purge_key[],
  max_rows integer,
  out reached nightshift.row_set[],
  out complete boolean,
  out ahead nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  -- Only a run that knows of rows has to ask for each what it knows.
  unknown constant text := case
    when exists (select from nightshift.purge_decisions d where d.run_id = run.id) then format(
      'and not exists (select from nightshift.purge_decisions d where d.run_id = %L and d.relation = x.tableoid and d.tid = x.ctid)',
      run.id
    )
    else ''
  end;
  steps text;
begin
  with keys as materialized (
    select k.*, nightshift.reference_join(k.key, true) as upwards
    from unnest(reach_rows.keys) k
  ),
  members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related from nightshift.policy_members(component) m
  )
  select string_agg(b.step, ' union all ') into steps
  from (
    -- Children go with the row that they refer to.
    select format('select %s::oid, x.tableoid, x.ctid, ''child'' from %s and r.policy = %s %s', k.policy, k.upwards, k.policy, unknown)
    from keys k where k.role = 'child'
    union all
    -- A row that refers may be due itself.
    select format('select %s::oid, x.tableoid, x.ctid, ''due'' from %s and r.policy = %s and x.tableoid = any(%L::oid[]) and (%s) is true %s',
      p.relation::oid, k.upwards, k.policy, array(select l::oid from nightshift.leaf_relations(p.relation) l),
      nightshift.due_condition('x', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at), unknown)
    from keys k
    join members m on not m.is_child and k.referencing::oid = any(m.related)
    join nightshift.retention_policies p on p.relation = m.member
    where k.role in ('hold', 'keep')
    union all
    -- Or the child of another row that is due: then that one comes into it too.
    select format('select %s::oid, x.tableoid, x.ctid, ''maybe'' from %s and r.policy = %s %s', m.policy, k.upwards, k.policy, unknown)
    from keys k
    join members m on m.is_child and k.referencing::oid = any(m.related)
    where k.role in ('hold', 'keep')
    union all
    select format('select %s::oid, t.tableoid, t.ctid, %L from %s and r.policy = %s and r.kind = ''maybe'' %s %s', k.policy,
      case when m.is_child then 'maybe' else 'due' end,
      nightshift.reference_join(k.key, false), k.policy,
      case when not m.is_child then format('and t.tableoid = any(%L::oid[]) and (%s) is true',
        array(select l::oid from nightshift.leaf_relations(p.relation) l),
        nightshift.due_condition('t', p.relation, p.drop_after, p.marker_column, p.flag_column, run.started_at)) end,
      replace(unknown, 'x.', 't.'))
    from keys k
    join members m on m.policy = k.policy and k.referenced::oid = any(m.related)
    join nightshift.retention_policies p on p.relation::oid = k.policy
    where k.role = 'child'
      and exists (
        select from keys h join members c on c.is_child and h.referencing::oid = any(c.related) where h.role in ('hold', 'keep')
      )
  ) b(step);

  reached := seeds;
  complete := true;
  ahead := '{}';
  if steps is null then
    return;
  end if;
  execute format(
    'with recursive reached(policy, relation, tid, kind) as (
       select s.policy, s.relation, t.tid, ''due'' from unnest($1) s cross join lateral unnest(s.tids) t(tid)
       union
       select f.policy, f.relation, f.tid, f.kind
       from reached r cross join lateral (%s) f(policy, relation, tid, kind)
     ),
     numbered as materialized (
       select r.*, row_number() over () as n from (select * from reached limit %s) r
     )
     select
       (
         select array_agg(row(g.policy, g.relation, g.due, g.tids)::nightshift.row_set)
         from (
           select n.policy, n.relation, k.due, array_agg(n.tid order by n.n) as tids
           from numbered n
           cross join lateral (select case n.kind when ''due'' then true when ''child'' then false end) k(due)
           group by n.policy, n.relation, k.due
         ) g
       ),
       (select count(*) <= %s from numbered),
       (
         select array_agg(row(g.policy, g.relation, true, g.tids)::nightshift.row_set)
         from (
           select l.policy, l.relation, array_agg(l.tid) as tids
           from (
             select n.* from numbered n
             where n.kind = ''due'' and n.n > %s
               and (n.relation, n.tid) not in (select p.relation, p.tid from nightshift.purge_pending p where p.run_id = %L)
             order by n.n desc limit %s
           ) l
           group by l.policy, l.relation
         ) g
       )',
    steps, nightshift.count_rows(seeds) + max_rows + 1, nightshift.count_rows(seeds) + max_rows,
    nightshift.count_rows(seeds), run.id, greatest(max_rows / 8, 1)
  )
  into reached, complete, ahead using seeds;
  reached := coalesce(reached, '{}');
  ahead := coalesce(ahead, '{}');
end;
$$;

comment on function nightshift.reach_rows is
  'The rows that would have to go with seeds: children, and due rows of the policies in component that refer to them, directly or not, each seen once. due is null for rows that may be children of a due row. Not complete when there are more than max_rows besides the seeds; ahead is then the due rows seen last.';

-- supabase/schema/retention/read_pressure.sql

create or replace function nightshift.read_pressure(since timestamptz)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'sessionsAtWork', sessions.at_work,
    'sessionsWaiting', sessions.waiting,
    'preventsWraparound', sessions.prevents_wraparound,
    'replicaLagMs', coalesce((
      select round(extract(epoch from max(r.replay_lag)) * 1000) from pg_stat_replication r
    ), 0),
    'walShare', round(
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (select c.redo_lsn from pg_control_checkpoint() c))
        / pg_size_bytes(current_setting('max_wal_size')),
      3
    )
  )
  from (
    select
      count(*) filter (where a.backend_type = 'client backend' and (a.state = 'active' and not w.stands_by or a.state_change >= since)) as at_work,
      count(*) filter (where a.backend_type = 'client backend' and a.wait_event_type = 'Lock' and not w.stands_by) as waiting,
      count(*) filter (where a.backend_type = 'autovacuum worker' and a.query like '%(to prevent wraparound)') > 0 as prevents_wraparound
    from pg_stat_activity a
    -- The next worker waits for such a lock all day, to take over from the one that has it.
    cross join lateral (select (a.wait_event_type = 'Lock' and a.wait_event = 'advisory') is true) w(stands_by)
    where a.pid <> pg_backend_pid() and a.datname = current_database()
  ) sessions;
end;
$$;

comment on function nightshift.read_pressure is
  'What else the server has to do, for whoever could wait a moment: {sessionsAtWork: sessions of this database, besides this one, that have begun or ended a statement since then or are in one, unless they wait for an advisory lock; sessionsWaiting: those that wait for another lock now; preventsWraparound: whether an autovacuum to prevent wraparound is under way; replicaLagMs: of the replica that is furthest behind; walShare: WAL since the last checkpoint as a share of max_wal_size, half of which brings on the next one}. Of what the functions'' owner may not see (without pg_read_all_stats), nothing counts.';

-- supabase/schema/retention/reasons_of.sql

create or replace function nightshift.reasons_of(held nightshift.held_row[], fate text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(g.reason, g.n), '{}')
  from (
    select h.reason, count(*) as n from unnest(held) h where h.fate = reasons_of.fate and h.reason is not null group by h.reason
  ) g;
$$;

comment on function nightshift.reasons_of is 'How many rows of one fate there are, by what keeps them.';

-- supabase/schema/retention/record_batch.sql

create or replace function nightshift.record_batch(
  run nightshift.runs,
  relation regclass,
  section text,
  step jsonb,
  deleted nightshift.row_set[]
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  steps jsonb := coalesce(run.progress -> section, '{}') || jsonb_build_object(relation::text, step);
  entry record;
  counted jsonb;
begin
  for entry in
    select p.relation, c.policy, c.child, c.n
    from nightshift.count_deleted(deleted) c
    join nightshift.retention_policies p on p.relation::oid = c.policy
  loop
    counted := coalesce(steps -> entry.relation::text, '{}');
    counted := counted || case
      when entry.child is null then jsonb_build_object('rowsPurged', coalesce((counted ->> 'rowsPurged')::bigint, 0) + entry.n)
      else jsonb_build_object('children', nightshift.add_counts(
        coalesce(counted -> 'children', '{}'), jsonb_build_object(entry.child::text, entry.n)))
    end;
    steps := steps || jsonb_build_object(entry.relation::text, counted);
    if section = 'steps' and not run.dry_run and entry.child is null then
      update nightshift.retention_policies p
      set
        last_purged_at = clock_timestamp(),
        last_purged_run = run.id,
        last_purged_rows = (counted ->> 'rowsPurged')::bigint
      where p.relation = entry.relation;
    end if;
  end loop;
  if section = 'steps' and not run.dry_run then
    perform nightshift.record_purge(run.id, (select r.progress -> 'steps' from nightshift.runs r where r.id = run.id), steps);
  end if;
  update nightshift.runs r
  set progress = r.progress || jsonb_build_object(section, steps)
  where r.id = run.id;
  return steps -> relation::text;
end;
$$;

comment on function nightshift.record_batch is
  'Writes what a batch did into a section of the ledger (steps, or assessments) and into the policies, in the transaction of the batch. Returns the step of the table whose turn it is.';

-- supabase/schema/retention/recount_moved_rows.sql

create or replace function nightshift.recount_moved_rows(
  run nightshift.runs,
  policy nightshift.retention_policies,
  step jsonb,
  moved nightshift.moved_row[]
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  leaf constant oid := step #>> '{cursor,leaf}';
  last_passed tid;
  crossing tid[];
  passed tid[];
  passed_anew tid[];
begin
  -- The marker of a row stays where it is, in an index as well.
  if step #>> '{cursor,mode}' is distinct from 'sweep' then
    return step;
  end if;
  last_passed := coalesce(step #>> '{cursor,after}', '(0,0)');
  crossing := nightshift.find_due_among(run, array[policy.relation::oid], leaf, array(
    select m.new_tid from unnest(moved) m
    where m.relation = leaf and (m.old_tid <= last_passed) <> (m.new_tid <= last_passed)
  ), coalesce(step #>> '{cursor,floor}', '-infinity'));
  if cardinality(crossing) = 0 then
    return step;
  end if;

  -- What waits is counted when it is decided, or else when the cursor comes to it.
  with waiting as (
    update nightshift.purge_pending p set walked = p.tid <= last_passed
    where p.run_id = run.id and p.turn = policy.relation::oid and p.relation = leaf and p.tid = any(crossing)
    returning p.tid
  )
  select array(select unnest(crossing) except select w.tid from waiting w) into crossing;
  passed := array(select t from unnest(crossing) t where t <= last_passed);
  insert into nightshift.purge_counted (run_id, relation, tid)
  select run.id, leaf, t from unnest(crossing) t where t > last_passed
  on conflict do nothing;
  with counted as (
    delete from nightshift.purge_counted c
    where c.run_id = run.id and c.relation = leaf and c.tid = any(passed)
    returning c.tid
  )
  select array(select unnest(passed) except select c.tid from counted c) into passed;

  step := nightshift.count_held(step, nightshift.known_decisions(run.id, policy.relation, leaf, passed));
  insert into nightshift.purge_pending (run_id, turn, relation, tid, policy, level, walked)
  select run.id, policy.relation, leaf, t, policy.relation, 1, true
  from unnest(passed) t
  where not exists (
    select from nightshift.purge_decisions d where d.run_id = run.id and d.relation = leaf and d.tid = t
  );
  return step;
end;
$$;

comment on function nightshift.recount_moved_rows is
  'Sees to it that due rows which moved past the cursor of a sweep are looked at, and counted, once: it passes over those that it has passed before, and those that it will not meet are taken up next, or counted now when they are decided.';

-- supabase/schema/retention/reference_join.sql

create or replace function nightshift.reference_join(key oid, from_referenced boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  referenced oid;
  referencing oid;
  near oid;
begin
  select c.confrelid, c.conrelid into referenced, referencing from pg_catalog.pg_constraint c where c.oid = key;
  near := case when from_referenced then referenced else referencing end;
  -- From one known row r to those at the other end. The array is looked at before any table is.
  return format('%1$s %2$s join %3$s %4$s on %5$s where r.relation = any(%6$L::oid[]) and %2$s.tableoid = r.relation and %2$s.ctid = r.tid',
    nightshift.scan_of(near), case when from_referenced then 't' else 'x' end,
    nightshift.scan_of(case when from_referenced then referencing else referenced end), case when from_referenced then 'x' else 't' end,
    nightshift.join_condition(key),
    array(select l::oid from nightshift.all_leaf_relations(near) l));
end;
$$;

comment on function nightshift.reference_join is
  'The FROM and WHERE that lead from a row r (relation, tid) through a foreign key: from the referenced row t to those that refer to it, x, or the other way. Errors: NS422 (see trusted_name).';

-- supabase/schema/retention/reference_tree.sql

create or replace function nightshift.reference_tree(policy regclass)
returns table (key oid, under oid, role text, own_policy boolean, name text, referenced regclass, referencing regclass, indexed boolean)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  keys constant nightshift.purge_key[] := array(select k from nightshift.purge_keys(array[reference_tree.policy::oid]) k);
  -- The tables of one level that lose rows, and the key that leads to each.
  tables oid[] := array[reference_tree.policy::oid];
  via oid[] := array[null::oid];
  next_tables oid[];
  next_via oid[];
  seen_tables oid[] := tables;
  seen_keys oid[] := '{}';
  found_key record;
begin
  while cardinality(tables) > 0 loop
    next_tables := '{}';
    next_via := '{}';
    for found_key in
      select k.*, f.via_key
      from unnest(keys) k
      cross join lateral (
        select f.via_key
        from unnest(tables, via) with ordinality f(relation, via_key, position)
        where f.relation = any(k.related)
        order by f.position
        limit 1
      ) f
      where k.key <> all(seen_keys)
      order by k.name
    loop
      key := found_key.key;
      under := found_key.via_key;
      role := found_key.role;
      own_policy := exists (select from nightshift.related_policies(found_key.referencing) p where p.enabled);
      name := found_key.name;
      referenced := found_key.referenced;
      referencing := found_key.referencing;
      indexed := found_key.indexed;
      return next;
      seen_keys := seen_keys || found_key.key;
      if found_key.role = 'child' and found_key.referencing::oid <> all(seen_tables) then
        seen_tables := seen_tables || found_key.referencing::oid;
        next_tables := next_tables || found_key.referencing::oid;
        next_via := next_via || found_key.key;
      end if;
    end loop;
    tables := next_tables;
    via := next_via;
  end loop;
end;
$$;

comment on function nightshift.reference_tree is
  'Who refers to rows that go by a policy, level by level: each foreign key of purge_keys once, where it is met first; under is the key that leads to the table it refers to, null for the table of the policy. own_policy: rows that refer may go by an enabled policy of their own.';

-- supabase/schema/retention/referencing_keys.sql

-- What refers to a table: the foreign keys that a purge has to respect.
-- Why: a due row may go only when every row that refers to it goes too; the catalog is read in one place.

create or replace function nightshift.referencing_keys(relations oid[])
returns table (relation oid, key oid, name text, constraint_name name, referenced regclass, referencing regclass, indexed boolean)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
-- A batch asks three times, of a table or two: to plan takes three times as long as to look, and the plan is always the same.
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with families as materialized (
    select c.oid, array(select nightshift.related_tables(c.oid)) as related
    from unnest(relations) r(oid)
    -- Postgres guards a table that is referred to by triggers; most partitions have none.
    cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = r.oid offset 0) c
  ),
  found as materialized (
    -- Constraints have no index by the table that they refer to, dependencies have one.
    select distinct f.oid as relation, d.objid as key
    from families f
    cross join lateral unnest(f.related) r(oid)
    cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = r.oid and c.relhastriggers offset 0) c
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = c.oid
    -- On the table that it refers to a key depends as one object on another, on its own table as a part of it.
    where d.classid = 'pg_catalog.pg_constraint'::regclass and d.deptype = 'n'
  ),
  keys as materialized (
    select distinct f.relation, k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey
    from found f
    cross join lateral (select k.* from pg_catalog.pg_constraint k where k.oid = f.key offset 0) k
    where k.contype = 'f'
      -- Copies of a key that partitioning makes are covered by the key itself.
      and k.conparentid = 0
  )
  select
    k.relation,
    k.oid,
    format('%I on %s%s', k.conname, k.conrelid::regclass, nightshift.retired_in_words(k.conrelid)),
    k.conname,
    k.confrelid::regclass,
    k.conrelid::regclass,
    exists (
      select 1
      from pg_catalog.pg_index i
      where i.indrelid = k.conrelid
        and i.indisvalid
        and (
          i.indpred is null
          or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
            select a.attname from pg_catalog.pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1]
          ))
        )
        and exists (
          select 1
          from pg_catalog.pg_class c
          join pg_catalog.pg_am m on m.oid = c.relam
          where c.oid = i.indexrelid and m.amname in ('btree', 'hash')
        )
        -- In an index of another collation Postgres cannot look up a text.
        and not exists (
          select
          from unnest(k.conkey, k.confkey) u(conkey, confkey)
          join pg_catalog.pg_attribute x on x.attrelid = k.conrelid and x.attnum = u.conkey
          join pg_catalog.pg_attribute t on t.attrelid = k.confrelid and t.attnum = u.confkey
          join generate_series(0, cardinality(k.conkey) - 1) n on i.indkey[n] = u.conkey
          where x.attcollation <> 0 and i.indcollation[n] <> nightshift.key_collation(t.attcollation, x.attcollation)
        )
        -- The leading columns of the index, in any order, are the columns of the key.
        and (
          select array_agg(i.indkey[n] order by i.indkey[n])
          from generate_series(0, cardinality(k.conkey) - 1) n
        ) = (select array_agg(a order by a) from unnest(k.conkey) a)
    )
  from keys k;
end;
$$;

comment on function nightshift.referencing_keys is
  'The foreign keys that refer to each of these tables, to any of its partitions or to what it is a partition of: name for reports, both tables, and whether an index on the referencing side serves it.';

-- supabase/schema/retention/refers_to_policy.sql

create or replace function nightshift.refers_to_policy(relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from pg_catalog.pg_constraint c
    cross join lateral nightshift.related_tables(c.confrelid) r(referenced)
    where c.conrelid in (select nightshift.related_tables(refers_to_policy.relation)) and c.contype = 'f'
      and (
        exists (select from nightshift.retention_policies p where p.enabled and p.relation::oid = r.referenced)
        or exists (select from nightshift.retention_keys k where k.role = 'child' and k.referencing::oid = r.referenced)
      )
  );
end;
$$;

comment on function nightshift.refers_to_policy is 'Whether a table has a foreign key to rows that go by a retention policy, as due ones or as children.';

-- supabase/schema/retention/refuse_key.sql

create or replace function nightshift.refuse_key(policy regclass, entry text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'NS422',
    message = format('%s does not refer to rows of %s, nor to children that are named', entry, policy),
    hint = 'These refer to them: ' || coalesce((
      select string_agg(format('%L', nightshift.key_in_words(k.key)), ', ' order by k.name)
      from nightshift.purge_keys(array[policy::oid]) k
    ), 'none') || '.';
end;
$$;

comment on function nightshift.refuse_key is
  'Raises NS422 for an entry of with_children, release or keep that names no foreign key to rows of the policy, and lists those there are.';

-- supabase/schema/retention/related_policies.sql

create or replace function nightshift.related_policies(relation regclass)
returns setof nightshift.retention_policies
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.related_tables(relation) r(oid)
  cross join lateral (select p.* from nightshift.retention_policies p where p.relation = r.oid offset 0) p;
end;
$$;

comment on function nightshift.related_policies is
  'The policies of a table, of its partitions, and of what it is a partition of.';

-- supabase/schema/retention/related_tables.sql

create or replace function nightshift.related_tables(relation regclass)
returns setof oid
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
  -- So is nearly every table, and a purge asks often.
  if not exists (select from pg_catalog.pg_class c where c.oid = relation and (c.relkind = 'p' or c.relispartition)) then
    return next relation;
    return;
  end if;
  return query
  select nightshift.partitions_below(related_tables.relation)
  union
  select a.relid::oid from pg_catalog.pg_partition_ancestors(related_tables.relation) a(relid);
end;
$$;

comment on function nightshift.related_tables is 'A table, its partitions at every level, and what it is a partition of.';

-- supabase/schema/retention/remember_held.sql

create or replace function nightshift.remember_held(run_id uuid, held nightshift.held_row[])
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.purge_decisions (run_id, relation, tid, fate, reason)
  select remember_held.run_id, h.relation, h.tid, h.fate, string_agg(h.reason, E'\n' order by h.reason)
  from unnest(held) h
  group by h.relation, h.tid, h.fate
  on conflict do nothing;
$$;

comment on function nightshift.remember_held is
  'Writes rows that stay into nightshift.purge_decisions, each once, with all that keeps it.';

-- supabase/schema/retention/remove_retention_policy.sql

create or replace function nightshift.remove_retention_policy(relation regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  policy nightshift.retention_policies;
begin
  perform nightshift.follow_tables();
  delete from nightshift.retention_policies p
  where p.relation = remove_retention_policy.relation
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no retention policy', relation),
      hint = 'select nightshift.list_retention_policies() shows what is declared.';
  end if;
  return nightshift.describe_retention_policy(policy);
end;
$$;

comment on function nightshift.remove_retention_policy is
  'Removes the policy; a run under way deletes nothing more of that table. A policy whose table is gone is removed by its oid: remove_retention_policy(12345::oid::regclass). Returns what was removed. Errors: NS404.';

-- supabase/schema/retention/require_no_rule.sql

-- A rule turns one statement into others, which have our rights: what these change is neither looked at, nor locked, nor counted.

create or replace function nightshift.require_no_rule(relations oid[], event text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_rule record;
begin
  select w.ev_class::regclass as relation, w.rulename, w.is_instead into found_rule
  from unnest(relations) r(oid)
  -- One by one, by the index: views are rules too, and a database has many.
  cross join lateral (select w.* from pg_catalog.pg_rewrite w where w.ev_class = r.oid offset 0) w
  where w.ev_type = case event when 'UPDATE' then '2' when 'DELETE' then '4' end
  order by r.oid, w.rulename
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a rule on %s: %I', found_rule.relation, event, found_rule.rulename),
      detail = case when found_rule.is_instead then format('It does something else instead of the %s.', event)
        else format('It does something beside the %s, to rows that nobody has looked at, locked or counted.', event) end,
      hint = format('drop rule %I on %s; a trigger can do what it is for, row by row.', found_rule.rulename, found_rule.relation);
  end if;
end;
$$;

comment on function nightshift.require_no_rule is
  'Raises NS422, with the fix in the hint, when one of these tables has a rule for an event (UPDATE or DELETE).';

-- supabase/schema/retention/require_no_sentinel.sql

-- A time that stands for "not deleted" is older than any retention, so every live row that has it would be due.
-- Locks: at run time ACCESS SHARE on the table.

create or replace function nightshift.require_no_sentinel(policy nightshift.retention_policies, oldest_due timestamptz default null)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
set row_security = off
set enable_seqscan = off
as $$
declare
  -- Where languages and databases begin to count, a day to both sides for the time zones, and the month after 1970 began:
  -- seconds that were read as milliseconds end there.
  zero_times constant text[] := array[
    ['0001-01-01 BC', '0001-01-03'], ['1899-12-29', '1900-01-03'], ['1969-12-31', '1970-02-01']
  ];
  sentinel text;
  period text[];
  copied name := left(policy.marker_column, 55) || '_or_null';
begin
  -- A flag says which rows are deleted; whatever time the others have is not looked at.
  if policy.flag_column is not null then
    return;
  end if;
  sentinel := nightshift.constant_default(policy.relation, policy.marker_column);
  if not coalesce(isfinite(sentinel::timestamptz) and sentinel::timestamptz < now() - policy.drop_after, false) then
    sentinel := null;
  end if;
  foreach period slice 1 in array zero_times loop
    exit when sentinel is not null or oldest_due > zero_times[cardinality(zero_times) / 2][2]::timestamptz;
    -- One at a time, with the times in the text: so an index finds that there is none.
    execute format(
      'select max(r.%1$I)::text from (
         select r.%1$I from %2$s r where r.%1$I >= %3$L and r.%1$I < %4$L limit 1000
       ) r',
      policy.marker_column, nightshift.scan_of(policy.relation), period[1], period[2]
    ) into sentinel;
  end loop;
  if sentinel is null then
    return;
  end if;
  raise exception using
    errcode = 'NS422',
    message = format('%s in %I of %s stands for "no time", not for when a row was deleted',
      sentinel, policy.marker_column, policy.relation),
    detail = 'Rows that have it would be deleted as if they had been due for decades.',
    hint = format(
      'alter table %1$s add column %2$I %3$s generated always as '
      || '(case when %4$I > %5$L then %4$I end) stored; /* the times alone; rewrites the table */ create index on %1$s (%2$I); '
      || 'select nightshift.%6$s_retention_policy(%7$L, %8$L, marker_column => %9$L);',
      policy.relation, copied, nightshift.column_type(policy.relation, policy.marker_column), policy.marker_column, sentinel,
      case when exists (select 1 from nightshift.retention_policies p where p.relation = policy.relation) then 'alter' else 'add' end,
      policy.relation, policy.drop_after, copied
    );
end;
$$;

comment on function nightshift.require_no_sentinel is
  'Raises NS422, with the column that mends it in the hint, where the marker has a constant default that is due, or holds a time that programs write for "no time": year 1, 1900, the beginning of 1970. oldest_due: the oldest row that is due, where it is known; a later one shows that there is none.';

-- supabase/schema/retention/require_one_policy.sql

create or replace function nightshift.require_one_policy(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  other regclass;
begin
  select o.relation into other
  from nightshift.retention_policies o
  where o.relation <> require_one_policy.relation
    and (
      o.relation in (select a.relid from pg_catalog.pg_partition_ancestors(require_one_policy.relation) a(relid))
      or require_one_policy.relation in (select a.relid from pg_catalog.pg_partition_ancestors(o.relation) a(relid))
    )
  order by o.relation
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('A partition or a parent of %s has a retention policy already: %s', relation, other),
      detail = 'Rows of the partition would be due by two policies.',
      hint = format('One policy on the partitioned table covers all of its partitions: select nightshift.remove_retention_policy(%L);',
        case when relation in (select a.relid from pg_catalog.pg_partition_ancestors(other) a(relid)) then other else relation end);
  end if;
end;
$$;

comment on function nightshift.require_one_policy is
  'Raises NS422, with the fix in the hint, when a partition of a table, or what it is a partition of, has a retention policy as well.';

-- supabase/schema/retention/require_own_rows.sql

create or replace function nightshift.require_own_rows(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  elsewhere regclass;
begin
  select c.oid into elsewhere
  from nightshift.partitions_below(relation) l(oid)
  -- One by one: a thousand partitions are expected of every table, and all of pg_class would be read for those as well.
  cross join lateral (select c.oid, c.relkind from pg_catalog.pg_class c where c.oid = l.oid offset 0) c
  where c.relkind = 'f'
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a partition that is a foreign table: %s', relation, elsewhere),
      hint = format('Rows elsewhere cannot be locked and purged from here. Declare policies on the partitions that are here, or: alter table %s detach partition %s;',
        relation, elsewhere);
  end if;
end;
$$;

comment on function nightshift.require_own_rows is
  'Raises NS422, with the fix in the hint, when a partition of a table is a foreign table.';

-- supabase/schema/retention/require_referencing_indexes.sql

create or replace function nightshift.require_referencing_indexes(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
begin
  select k.referencing, k.key, nightshift.key_columns(k.key) as columns into missing
  from nightshift.referencing_keys(array[relation::oid]) k
  where not k.indexed and nightshift.is_large(k.referencing)
  order by pg_relation_size(k.referencing) desc
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s refers to %s, is large, and has no index on %s', missing.referencing, relation, missing.columns),
      detail = 'Postgres would read it as a whole for each row that goes.',
      hint = format('%s -- to do without: POST /jobs/retention-purge/runs with %s',
        nightshift.index_for_key(missing.key), jsonb_build_object('force', jsonb_build_array(relation::text)));
  end if;
end;
$$;

comment on function nightshift.require_referencing_indexes is
  'Raises NS422, with the statement in the hint, where a large table refers to this one and no index serves the foreign key.';

-- supabase/schema/retention/require_replica_identity.sql

create or replace function nightshift.require_replica_identity(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  without oid[] := nightshift.without_replica_identity(relation);
begin
  if cardinality(without) > 0 then
    raise exception using
      errcode = 'NS422',
      message = format('Postgres refuses to delete from %s', nightshift.name_some(without)),
      detail = 'A publication has its deletions, and it has no primary key or other replica identity.',
      hint = format('alter table %s replica identity full; or give it a primary key.', without[1]::regclass);
  end if;
end;
$$;

comment on function nightshift.require_replica_identity is
  'Raises NS422 where Postgres is certain to refuse a deletion: see without_replica_identity.';

-- supabase/schema/retention/require_retention_policies.sql

create or replace function nightshift.require_retention_policies(names text[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  unknown text;
begin
  select string_agg(o, ', ') into unknown
  from unnest(names) o
  where not exists (
    select 1 from nightshift.retention_policies p where p.relation = nightshift.find_relation(o)
  );
  if unknown is not null then
    raise exception using
      errcode = 'NS404',
      message = format('No retention policy for: %s', unknown),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.relation::text, ', ' order by p.relation::text) from nightshift.retention_policies p), 'no table')),
      hint = 'Name tables as SQL does: with their schema, unless it is public, and in quotes where SQL needs them, like public."Product".';
  end if;
end;
$$;

comment on function nightshift.require_retention_policies is
  'Raises NS404, with the tables that have a retention policy, for names as SQL writes them that have none.';

-- supabase/schema/retention/require_within_brake.sql

create or replace function nightshift.require_within_brake(excess text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if excess is not null then
    raise exception using
      errcode = 'NS428',
      message = excess,
      detail = 'Counted with what is gone in this run. This batch deleted nothing.',
      hint = 'The policy or the rows changed since the run began. Look with a dry run; then name the table in force, or raise max_fraction.';
  end if;
end;
$$;

comment on function nightshift.require_within_brake is
  'Raises NS428 where nightshift.brake has something to say, so that nothing of the batch is committed.';

-- supabase/schema/retention/resolve_references.sql

-- Which rows may go: the largest set of due rows, and of rows that go with them, that no other row refers to.
-- Why: whatever the ON DELETE action of a foreign key, a row that something still needs stays, and nothing is cascaded away.
-- Locks: at run time row locks, never waited for, on the rows that are to go and on those whose reference is released, and
--        ROW EXCLUSIVE on their tables.
--
-- Plans: batches look rows up by address and by foreign key, a few thousand at a time. A planner that assumes a cold disk
-- would often rather read a whole table, once a batch; hence the planner settings of those functions (a hash join stays
-- possible where a foreign key has no index), and due conditions written as `(...) is true`, which no index of the marker
-- can answer, where the address should lead.

create or replace function nightshift.resolve_references(
  run nightshift.runs,
  seeds nightshift.row_set[],
  component oid[],
  locking boolean,
  max_rows integer,
  out rows_to_delete nightshift.row_set[],
  out held nightshift.held_row[],
  out released nightshift.released_row[],
  out reached nightshift.row_set[],
  out complete boolean,
  out ahead nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policies constant oid[] := array(select distinct s.policy from unnest(seeds) s union select unnest(component));
  keys nightshift.purge_key[] := array(select k from nightshift.purge_keys(policies) k);
  has_children constant boolean := exists (select from unnest(keys) k where k.role = 'child');
  has_releases constant boolean := exists (select from unnest(keys) k where k.role = 'release');
  others nightshift.row_set[];
  released_rows nightshift.row_set[] := '{}';
  due_rows nightshift.row_set[];
  found_rows nightshift.held_row[];
  left_rows nightshift.row_set[];
  all_rows nightshift.row_set[];
begin
  reached := seeds;
  rows_to_delete := seeds;
  held := '{}';
  released := '{}';
  complete := true;
  ahead := '{}';
  if cardinality(component) > 0 or has_children then
    select r.* into reached, complete, ahead from nightshift.reach_rows(run, seeds, policies, keys, max_rows) r;
    rows_to_delete := reached;
    if not complete then
      return;
    end if;
    if exists (select from unnest(rows_to_delete) r where r.due is null) then
      rows_to_delete := nightshift.find_covered_rows(rows_to_delete, keys);
    end if;
    if locking then
      others := nightshift.subtract_row_sets(rows_to_delete, seeds);
      rows_to_delete := seeds || nightshift.lock_rows(run, others);
      -- From here on nobody adds a key to one of these tables; somebody may have, until then.
      keys := array(select k from nightshift.purge_keys(policies) k);
    end if;
  end if;
  if has_releases then
    released := nightshift.find_released_rows(run.id, rows_to_delete, keys, max_rows + 1);
    released_rows := nightshift.subtract_row_sets(array(
      select row(null, r.relation, false, array_agg(r.tid))::nightshift.row_set from unnest(released) r group by r.relation
    ), rows_to_delete);
    complete := nightshift.count_rows(released_rows) <= max_rows;
    if not complete then
      return;
    end if;
    if locking then
      released_rows := nightshift.lock_rows(run, released_rows);
    end if;
  end if;

  perform nightshift.require_no_rule(array(select distinct r.relation from unnest(rows_to_delete) r), 'DELETE');
  perform nightshift.require_no_rule(array(select distinct r.relation from unnest(released_rows) r), 'UPDATE');
  -- A fresh look, after the locks: whoever would refer to a locked row now waits for us, whoever did before is seen.
  found_rows := array(select f from nightshift.find_needed_rows(run.id, rows_to_delete, released_rows, keys) f);
  if cardinality(found_rows) = 0 and not has_children then
    released := nightshift.stay_released(released, rows_to_delete);
    return;
  end if;
  all_rows := rows_to_delete;
  due_rows := array(select r from unnest(rows_to_delete) r where r.due);
  loop
    held := held || found_rows;
    left_rows := nightshift.subtract_held(rows_to_delete, found_rows);
    if has_children then
      left_rows := nightshift.find_covered_rows(left_rows, keys);
    end if;
    exit when nightshift.count_rows(left_rows) = nightshift.count_rows(rows_to_delete);
    -- What a row that stays refers to, stays.
    found_rows := array(
      select s
      from nightshift.spread_hold(
        left_rows,
        nightshift.fates_of(nightshift.subtract_row_sets(rows_to_delete, left_rows), held, keys),
        keys
      ) s
    );
    rows_to_delete := left_rows;
  end loop;
  released := nightshift.stay_released(released, rows_to_delete);
  if cardinality(held) > 0 and (has_children or cardinality(component) > 0 and cardinality(keys) > 1) then
    -- What stays for one reason was not asked for others, which hold it as well. Children that stay only because what they
    -- would go with stays have none, and are none.
    held := held || array(
      select s from nightshift.spread_hold(all_rows, array(select h from unnest(held) h where h.reason is not null), keys) s
      where (s.policy, s.relation, s.tid) in (select h.policy, h.relation, h.tid from unnest(held) h)
    );
  end if;
  held := array(
    select row(h.policy, h.relation, h.tid, h.fate, h.reason)::nightshift.held_row
    from (
      select distinct r.policy, r.relation, r.tid, r.fate, r.reason
      from (
        select h.*, rank() over (
          partition by h.policy, h.relation, h.tid order by array_position(array['held', 'undecided', 'kept'], h.fate)
        ) as precedence
        from unnest(held) h
        where (h.policy, h.relation, h.tid) in (
          select d.policy, d.relation, t.tid from unnest(due_rows) d cross join lateral unnest(d.tids) t(tid)
        )
      ) r
      where r.precedence = 1
    ) h
  );
end;
$$;

comment on function nightshift.resolve_references is
  'Of locked due rows (seeds), those that may go, with all that goes with them: rows_to_delete is the largest set, of what was reached from seeds, that no other row refers to, and released the references that are then set to null or default. held: those that stay, with each foreign key that keeps them. reached: all that was looked at. Not complete, and nothing else, when more than max_rows would have to be looked at; ahead is then where to look first.';

-- supabase/schema/retention/retention_warnings.sql

create or replace function nightshift.retention_warnings(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select nightshift.warnings_of_purge(retention_warnings.relation) || coalesce((
    select jsonb_agg(format('%s: left to the partition policy of %s.', t.names, t.parent) order by t.parent::text)
    from (
      select r.parent, nightshift.name_some(array_agg(r.partition order by r.partition)) as names
      from nightshift.partitions_to_retire(retention_warnings.relation) r
      group by r.parent
    ) t
  ), '[]') || coalesce((
    select jsonb_agg(w)
    from (
      select nightshift.warn_of_heirs(retention_warnings.relation)
      union all
      select nightshift.warn_of_namesake(retention_warnings.relation)
      union all
      select nightshift.warn_of_replica_identity(m.member)
      from nightshift.policy_members(array[retention_warnings.relation::oid]) m
    ) w(w)
  ), '[]');
$$;

comment on function nightshift.retention_warnings is
  'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences; and which rows are left to a partition policy.';

-- supabase/schema/retention/retired_in_words.sql

create or replace function nightshift.retired_in_words(relation oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  return (
    select coalesce((
      select case when r.drop_after is null then ' (a retired partition, kept until someone drops it)'
        else format(' (a retired partition, to be dropped after %s)', to_char(r.drop_after, 'YYYY-MM-DD')) end
      from nightshift.retired_partitions r
      where r.partition = retired_in_words.relation and r.status = 'detached'
      order by r.id desc
      limit 1
    ), '')
  );
end;
$$;

comment on function nightshift.retired_in_words is
  'What to say after the name of a table that is a retired partition: until when it is there, and holds what its rows refer to. Empty for any other.';

-- supabase/schema/retention/sample_due_rows.sql

create or replace function nightshift.sample_due_rows(
  policy nightshift.retention_policies,
  due_rows bigint,
  as_of timestamptz,
  max_sampled integer,
  out relations oid[],
  out tids tid[],
  out is_all boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
declare
  -- So many are walked by the index of the marker, in milliseconds.
  max_walked constant integer := 20000;
  sampled_pages constant integer := 1000;
  due constant text := nightshift.due_condition(
    't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of
  );
  percent numeric;
begin
  is_all := false;
  -- Not the first ones: the oldest are those that earlier runs had to leave.
  if due_rows > max_walked then
    percent := least(100, 100.0 * sampled_pages / greatest(nightshift.pages_of(policy.relation), 1));
    execute format(
      'select array_agg(s.relation), array_agg(s.tid)
       from (select t.tableoid as relation, t.ctid as tid from %s t tablesample system (%s) where %s order by random() limit %s) s',
      nightshift.scan_of(policy.relation), percent, due, max_sampled
    ) into relations, tids;
  end if;
  -- Too few are due for pages at random to have them.
  if coalesce(cardinality(tids), 0) < least(100, max_sampled) then
    execute format(
      'select array_agg(s.relation), array_agg(s.tid)
       from (
         select w.* from (select t.tableoid as relation, t.ctid as tid from %s t where %s limit %s) w order by random() limit %s
       ) s',
      nightshift.scan_of(policy.relation), due, max_walked, max_sampled
    ) into relations, tids;
    is_all := coalesce(cardinality(tids), 0) < max_sampled;
  end if;
end;
$$;

comment on function nightshift.sample_due_rows is
  'Where some due rows of a policy are, at most max_sampled, at random as far as that is quick; is_all when these are all of them. due_rows: how many there are, about.';

-- supabase/schema/retention/scan_of.sql

create or replace function nightshift.scan_of(relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case (select c.relkind from pg_catalog.pg_class c where c.oid = relation) when 'p' then '' else 'only ' end
    || nightshift.trusted_name(relation);
end;
$$;

comment on function nightshift.scan_of is
  'How to name a table after FROM: with its partitions, and without tables that merely inherit from it. Errors: NS404, NS422 (see trusted_name).';

-- supabase/schema/retention/sets_to_remember.sql

create or replace function nightshift.sets_to_remember(run nightshift.runs, deleted nightshift.row_set[])
returns setof nightshift.row_set
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with policies as materialized (
    select array(select s::oid from jsonb_array_elements_text(run.progress -> 'scope') s) as scope
  ),
  tables as materialized (
    select d.relation, array(select nightshift.related_tables(d.relation)) as related
    from unnest(deleted) d group by d.relation
  ),
  keys as materialized (
    select distinct k.policy, k.role, k.key, k.referencing from policies p cross join lateral nightshift.purge_keys(p.scope) k
  ),
  members as materialized (
    select m.*, array(select nightshift.related_tables(m.member)) as related
    from policies p cross join lateral nightshift.policy_members(p.scope) m
  ),
  -- Where children refer to rows that may go as well, a batch of those comes to the children, and from them to what they go with.
  entangled as materialized (
    select distinct c.policy
    from members c
    where c.is_child and exists (
      select from keys k where k.role in ('hold', 'keep') and k.referencing::oid = any(c.related)
    )
  )
  select d.*
  from unnest(deleted) d
  join tables t on t.relation = d.relation
  cross join lateral (select count(distinct k.key) from keys k where k.referencing::oid = any(t.related)) k(n)
  cross join lateral (
    select count(*) filter (where m.is_child) > 0, count(*) filter (where not m.is_child) > 0
    from members m where m.member::oid = any(t.related)
  ) m(is_child, is_due)
  -- Rows that refer to nothing, or to one row only which they go with, are not met again.
  where k.n > 1 or m.is_due and (k.n = 1 or m.is_child or d.policy in (select e.policy from entangled e));
$$;

comment on function nightshift.sets_to_remember is
  'Those of the rows that a dry run counts as gone and can meet again: from another row that they refer to, from a child, or on its way through the table.';

-- supabase/schema/retention/settle_key.sql

create or replace function nightshift.settle_key(policy regclass, key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  declared nightshift.retention_policies;
  own nightshift.retention_policies;
  named record;
  role text;
  keep constant text := nightshift.call_for_role(policy, key, 'keep');
  with_children constant text := nightshift.call_for_role(policy, key, 'child');
begin
  select c.conrelid::regclass as referencing, c.conname, c.confdeltype as action, nightshift.retired_in_words(c.conrelid) as retired
  into named
  from pg_catalog.pg_constraint c where c.oid = settle_key.key;
  select k.role into role from nightshift.retention_keys k
  where k.policy = settle_key.policy and k.referencing = named.referencing and k.constraint_name = named.conname;
  if role = 'keep' then
    return null;
  elsif role is not null then
    return format('Nothing, if other sessions held rows of %s: the next run takes them.', named.referencing);
  elsif named.retired <> '' then
    return format('%s -- or wait until %s is dropped: its rows hold nothing then', keep, named.referencing);
  end if;

  select p.* into own from nightshift.related_policies(named.referencing) p
  order by p.enabled desc
  limit 1;
  if own.enabled then
    return format('%s -- or wait: rows of %s go by their own policy when they are due', with_children, named.referencing);
  elsif own.relation is not null then
    return format('select nightshift.alter_retention_policy(%L, enabled => true); -- or: %s', own.relation, with_children);
  end if;
  select p.* into declared from nightshift.retention_policies p where p.relation = settle_key.policy;
  -- A time that may be null marks rows of that table as well; one that may not would say of live rows that they are due.
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = named.referencing and a.attname = declared.marker_column and not a.attnotnull and not a.attisdropped
      and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
  ) then
    return format('select nightshift.add_retention_policy(%L, %L, marker_column => %L); -- or, marked or not: %s',
      named.referencing, declared.drop_after, declared.marker_column, with_children);
  elsif named.action in ('n', 'd') then
    return format('%s -- or, so that they go along: %s', nightshift.call_for_role(policy, key, 'release'), with_children);
  end if;
  return format('%s -- or, to let both stay: %s', with_children, keep);
end;
$$;

comment on function nightshift.settle_key is
  'What to do about rows that hold a row of a policy through a foreign key: a call and, as a comment, another way. Null where the policy says that they may.';

-- supabase/schema/retention/spread_hold.sql

create or replace function nightshift.spread_hold(
  rows nightshift.row_set[],
  staying nightshift.held_row[],
  keys nightshift.purge_key[]
)
returns setof nightshift.held_row
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
as $$
declare
  relations constant oid[] := array(select distinct r.relation from unnest(rows) r);
  steps text;
begin
  select string_agg(format(
    'select %s::oid, t.tableoid, t.ctid, %s, %s from %s', k.policy,
    case k.role when 'keep' then 'case r.fate when ''held'' then ''kept'' else r.fate end' else 'r.fate' end,
    -- A child would go along, but for what holds the child.
    case k.role when 'child' then format('coalesce(r.reason, %L)', k.name) else quote_literal(k.name) end,
    nightshift.reference_join(k.key, false)
  ), ' union all ')
  into steps
  from unnest(keys) k
  where k.role <> 'release' and k.related && relations;
  if steps is null then
    return;
  end if;
  return query execute format(
    'with recursive inside as materialized (
       select s.policy, s.relation, t.tid from unnest($1) s cross join lateral unnest(s.tids) t(tid)
     ),
     shared as materialized (
       select i.relation, i.tid from inside i group by i.relation, i.tid having count(*) > 1
     ),
     stays(policy, relation, tid, fate, reason, alone) as (
       select s.policy, s.relation, s.tid, s.fate, s.reason, true from unnest($2) s
       union
       select f.policy, f.relation, f.tid, f.fate, f.reason,
         -- A row that may go for two reasons stays only when both are gone.
         (f.relation, f.tid) not in (select s.relation, s.tid from shared s)
       from stays r cross join lateral (%s) f(policy, relation, tid, fate, reason)
       where r.alone and ((f.policy, f.relation, f.tid) in (select i.policy, i.relation, i.tid from inside i)) is true
     )
     select s.policy, s.relation, s.tid, s.fate, s.reason from stays s',
    steps
  ) using rows, staying;
end;
$$;

comment on function nightshift.spread_hold is
  'What follows when rows stay: they, and those of rows that they refer to, directly or not, with the foreign key that holds them, or their children.';

-- supabase/schema/retention/stay_released.sql

create or replace function nightshift.stay_released(released nightshift.released_row[], going nightshift.row_set[])
returns nightshift.released_row[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(released) = 0 then
    return released;
  end if;
  return array(
    select r
    from unnest(released) r
    where (r.relation, r.tid) not in (select g.relation, t.tid from unnest(going) g cross join lateral unnest(g.tids) t(tid))
      -- IS TRUE, or it could become a join row by row.
      and ((r.referenced_relation, r.referenced_tid) in (
        select g.relation, t.tid from unnest(going) g cross join lateral unnest(g.tids) t(tid)
      )) is true
  );
end;
$$;

comment on function nightshift.stay_released is
  'Those of released whose row stays and loses its reference, once the rows of going and no others are gone.';

-- supabase/schema/retention/subtract_held.sql

create or replace function nightshift.subtract_held(sets nightshift.row_set[], held nightshift.held_row[])
returns nightshift.row_set[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(held) = 0 then
    return sets;
  end if;
  return (
    select coalesce(array_agg(row(d.policy, d.relation, d.due, d.tids)::nightshift.row_set), '{}')
    from (
      select s.policy, s.relation, s.due, array_agg(t.tid order by t.position) as tids
      from unnest(subtract_held.sets) s
      cross join lateral unnest(s.tids) with ordinality t(tid, position)
      where (s.policy, s.relation, t.tid) not in (select h.policy, h.relation, h.tid from unnest(subtract_held.held) h)
      group by s.policy, s.relation, s.due
    ) d
  );
end;
$$;

comment on function nightshift.subtract_held is 'Those of sets that are not held, each under its policy, in the same order.';

-- supabase/schema/retention/subtract_row_sets.sql

create or replace function nightshift.subtract_row_sets(sets nightshift.row_set[], minus nightshift.row_set[])
returns nightshift.row_set[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(row(d.policy, d.relation, d.due, d.tids)::nightshift.row_set), '{}')
  from (
    select s.policy, s.relation, s.due, array_agg(distinct t.tid) as tids
    from unnest(subtract_row_sets.sets) s
    cross join lateral unnest(s.tids) t(tid)
    where (s.relation, t.tid) not in (
      select m.relation, r.tid from unnest(subtract_row_sets.minus) m cross join lateral unnest(m.tids) r(tid)
    )
    group by s.policy, s.relation, s.due
  ) d;
$$;

comment on function nightshift.subtract_row_sets is 'Those of sets that are not in minus, whatever the policies say.';

-- supabase/schema/retention/take_pending.sql

create or replace function nightshift.take_pending(
  run nightshift.runs,
  scope oid[],
  turn regclass,
  locking boolean,
  out level integer,
  out seeds nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  select max(p.level) into level
  from nightshift.purge_pending p where p.run_id = run.id and p.turn = take_pending.turn::oid;
  seeds := array(
    select row(g.policy, g.relation, true, g.tids)::nightshift.row_set
    from (
      select p.policy, p.relation, array_agg(p.tid) as tids
      from nightshift.purge_pending p
      where p.run_id = run.id and p.turn = take_pending.turn::oid and p.level = take_pending.level
        -- Of a policy that was removed or switched off meanwhile, none goes any more.
        and exists (select from nightshift.covering_policy(p.relation, scope) c where c.relation::oid = p.policy)
        and not exists (
          select from nightshift.purge_decisions d
          where d.run_id = run.id and d.relation = p.relation and d.tid = p.tid
        )
      group by p.policy, p.relation
    ) g
  );
  if locking then
    seeds := nightshift.lock_rows(run, seeds);
  end if;
end;
$$;

comment on function nightshift.take_pending is
  'The rows that wait in this turn and are to be taken up next, locked where locking says so and then known to be due; level is null when none wait.';

-- supabase/schema/retention/unreferenced_condition.sql

create or replace function nightshift.unreferenced_condition(relation regclass, keys nightshift.purge_key[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  key nightshift.purge_key;
  of_child text;
  condition text;
begin
  foreach key in array keys loop
    continue when not relation::oid = any(key.related);
    if key.role = 'child' then
      -- A child holds nothing, unless something holds the child.
      of_child := nightshift.unreferenced_condition(key.referencing, keys);
      continue when of_child is null;
      of_child := format(' and exists (select from (select x.*) t where not (%s))', of_child);
    else
      of_child := '';
    end if;
    condition := concat_ws(' and ', condition, format('not exists (select from %s x where %s%s)',
      nightshift.scan_of(key.referencing), nightshift.join_condition(key.key), of_child));
  end loop;
  return condition;
end;
$$;

comment on function nightshift.unreferenced_condition is
  'The SQL condition, for rows t of a table, that no row refers to them, or to children of theirs, but for these children; null when none can. keys: purge_keys of a policy whose children are no circle (see children_of_slice). Errors: NS404, NS422 (see trusted_name, trusted_operator).';

-- supabase/schema/retention/warn_of_heirs.sql

create or replace function nightshift.warn_of_heirs(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_class c where c.oid = relation and c.relkind = 'r' and c.relhassubclass) then
    return;
  end if;
  return query
  with recursive heirs(oid) as (
    select i.inhrelid
    from pg_catalog.pg_inherits i
    where i.inhparent = warn_of_heirs.relation
    union
    select i.inhrelid from heirs h join pg_catalog.pg_inherits i on i.inhparent = h.oid
  )
  select format(
    'The rows of %s, which inherit from %s, are not purged with it: each needs a policy of its own. Fix: select nightshift.add_retention_policy(%L, %L, marker_column => %L);',
    nightshift.name_some(array_agg(h.oid order by h.oid)), p.relation,
    (min(h.oid::bigint)::oid)::regclass, p.drop_after, p.marker_column
  )
  from heirs h
  join nightshift.retention_policies p on p.relation = warn_of_heirs.relation
  where not exists (select 1 from nightshift.retention_policies o where o.relation = h.oid)
  group by p.relation, p.drop_after, p.marker_column;
end;
$$;

comment on function nightshift.warn_of_heirs is
  'A sentence with the fix where tables inherit from one with a policy and have none themselves: a purge looks at the rows of the table alone.';

-- supabase/schema/retention/warn_of_namesake.sql

create or replace function nightshift.warn_of_namesake(relation regclass)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select format(
    '%1$s was called %2$s when its policy was declared, which is another table now, without a policy. Fix: declare one there, with nightshift.add_retention_policy; and if this one is meant as well: select nightshift.alter_retention_policy(%1$L);',
    p.relation, p.relation_name
  )
  from nightshift.retention_policies p
  where p.relation = warn_of_namesake.relation
    and exists (
      select from pg_catalog.pg_class n
      where n.oid = nightshift.find_relation(p.relation_name) and n.oid <> p.relation and n.relkind in ('r', 'p')
        and not exists (select from nightshift.retention_policies o where o.relation = n.oid)
    );
end;
$$;

comment on function nightshift.warn_of_namesake is
  'A sentence with the fix where another table has taken the name that a policy was declared for, as when a table is replaced by a copy of it.';

-- supabase/schema/retention/warn_of_replica_identity.sql

create or replace function nightshift.warn_of_replica_identity(relation regclass)
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    'Postgres refuses to delete from %s: a publication has its deletions, and it has no primary key or other replica identity. Fix: alter table %s replica identity full;',
    nightshift.name_some(u.relations), (u.relations[1])::regclass
  )
  from nightshift.without_replica_identity(warn_of_replica_identity.relation) u(relations)
  where cardinality(u.relations) > 0;
$$;

comment on function nightshift.warn_of_replica_identity is 'A sentence with the fix where without_replica_identity finds something.';

-- supabase/schema/retention/warnings_of_purge.sql

create or replace function nightshift.warnings_of_purge(relation regclass)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
  from (
  select format(
    'Foreign key %s has no index on the referencing side, so each row deleted here reads that whole table. Fix: %s',
    k.name, nightshift.index_for_key(k.key)
  )
  from nightshift.referencing_keys(array[warnings_of_purge.relation::oid]) k
  where not k.indexed
  union all
  select format(
    'Trigger %I fires once a statement on the partitioned table; a purge deletes from the partitions, where it does not fire.',
    t.tgname
  )
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where t.tgrelid = warnings_of_purge.relation
    and c.relkind = 'p'
    and not t.tgisinternal
    and (t.tgtype & 1) = 0
    and (t.tgtype & 8) = 8
  ) w(warning);
$$;

comment on function nightshift.warnings_of_purge is 'What will make purging this table slow or surprising, with the fix, as a JSON array of sentences.';

-- supabase/schema/retention/way_into_leaf.sql

create or replace function nightshift.way_into_leaf(leaf regclass, marker_column name, due text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- To read so many takes less time than to ask how.
  few_blocks constant integer := 16;
  plan jsonb;
  leaf_table record;
  all_rows real;
  null_share real;
  due_rows double precision;
begin
  if exists (select from pg_catalog.pg_class c where c.oid = leaf and c.relispartition)
    and pg_relation_size(leaf) < few_blocks * current_setting('block_size')::integer
  then
    return case when nightshift.has_due_rows(leaf, marker_column, due) then 'sweep' end;
  end if;
  if nightshift.marker_walk(leaf, marker_column, due) is distinct from 'index' then
    return 'sweep';
  elsif nightshift.dead_rows(array[leaf::oid]) > greatest(100000, 4 * pg_relation_size(leaf) / current_setting('block_size')::integer) then
    -- To step over so many entries of the index takes longer than to read the table.
    return 'sweep';
  elsif not nightshift.has_due_rows(leaf, marker_column, due) then
    return null;
  end if;
  -- Postgres weighs the index against reading every page; where it would read every page, we sweep. Where it would not, since
  -- the rows lie in the order of the index, a sweep past nine others still takes less than to choose a row by the index.
  execute format('explain (format json) select r.ctid from only %s r where %s', nightshift.trusted_name(leaf), due) into plan;
  select c.reltuples, n.nspname, c.relname into leaf_table
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = leaf;
  all_rows := leaf_table.reltuples;
  -- By names that are known before the query: joined, the view would be read for all tables.
  null_share := coalesce((
    select s.null_frac from pg_catalog.pg_stats s
    where s.schemaname = leaf_table.nspname and s.tablename = leaf_table.relname and s.attname = marker_column and not s.inherited
  ), 0);
  -- Postgres takes off the rows without a marker for each of the two conditions on it.
  due_rows := least((plan #>> '{0,Plan,Plan Rows}')::numeric / nullif(1 - null_share, 0), all_rows * (1 - null_share));
  return case
    when plan #>> '{0,Plan,Node Type}' = 'Seq Scan' then 'sweep'
    when all_rows > 0 and due_rows > all_rows / 10 then 'sweep'
    else 'index'
  end;
end;
$$;

comment on function nightshift.way_into_leaf is
  'How to walk through the due rows of a leaf: sweep where they are dense, where the index is full of dead rows, or no index gives them in order, index where they are sparse; null where an index says that there are none.';

-- supabase/schema/retention/without_replica_identity.sql

create or replace function nightshift.without_replica_identity(relation regclass)
returns oid[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(c.oid order by c.oid), '{}')
  from nightshift.all_leaf_relations(without_replica_identity.relation) l(leaf)
  -- One by one: who joins here would ask of every table of the database what it is published by.
  cross join lateral (
    select c.oid, c.relreplident from pg_catalog.pg_class c where c.oid = l.leaf and c.relpersistence = 'p' offset 0
  ) c
  where exists (select 1 from pg_catalog.pg_publication b where b.pubdelete)
    and not (
      c.relreplident = 'f'
      or exists (
        select 1 from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indimmediate and i.indisvalid
          and case c.relreplident when 'i' then i.indisreplident when 'd' then i.indisprimary else false end
      )
    )
    and exists (
      select 1
      from (
        select c.oid
        union all
        select a.relid::oid from pg_catalog.pg_partition_ancestors(c.oid) a(relid)
      ) p(relation)
      cross join pg_catalog.pg_publication b
      where b.pubdelete
        and (
          b.puballtables
          or exists (select 1 from pg_catalog.pg_publication_rel t where t.prpubid = b.oid and t.prrelid = p.relation)
          or exists (
            select 1 from pg_catalog.pg_publication_namespace n
            where n.pnpubid = b.oid
              and n.pnnspid = (select r.relnamespace from pg_catalog.pg_class r where r.oid = p.relation)
          )
        )
    );
$$;

comment on function nightshift.without_replica_identity is
  'The tables that hold the rows of a table and from which Postgres refuses to delete: a publication has their deletions, and nothing identifies a row to its subscribers.';

-- supabase/schema/soft-delete/active_arbiter.sql

create or replace function nightshift.active_arbiter(
  relation regclass, conflict_columns text, out columns name[], out arbiter text, out same_values text, out own_columns name[]
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  named constant text := nightshift.columns_named(relation, conflict_columns);
  settings nightshift.soft_delete_tables;
begin
  perform nightshift.soft_delete_rules(relation);
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = active_arbiter.relation;
  select u.columns, format('(%s)%s', u.listed, case when i.indpred is not null then ' where ' || pg_get_expr(i.indpred, i.indrelid) end), u.same_values
  into columns, arbiter, same_values
  from pg_catalog.pg_index i
  cross join lateral (
    select array_agg(a.attname order by k.position) as columns, string_agg(quote_ident(a.attname), ', ' order by k.position) as listed,
      string_agg(format('r.%1$I%2$s %3$s v.%1$I%4$s', a.attname, o.cast_left, o.name, o.cast_right), ' and ' order by k.position) as same_values
    from unnest(i.indkey[0:i.indnkeyatts - 1], i.indclass[0:i.indnkeyatts - 1]) with ordinality k(attnum, opclass, position)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    join pg_catalog.pg_opclass c on c.oid = k.opclass
    join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
      and p.amoprighttype = c.opcintype and p.amopstrategy = 3
    cross join lateral nightshift.trusted_operator(p.amopopr) o
  ) u
  where i.indrelid = relation and i.indisunique and i.indisvalid and i.indimmediate and i.indexprs is null
    and (
      i.indpred is null
      or pg_get_expr(i.indpred, i.indrelid) = case when settings.flag_column is null then format('(%I IS NULL)', settings.marker_column)
        else format('(%I IS NOT TRUE)', settings.flag_column) end
    )
    and array(select quote_ident(n) from unnest(u.columns) n order by 1)
      = array(select n from regexp_split_to_table(named, ', ') n order by 1)
  order by i.indpred is null
  limit 1;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('Nothing keeps %s of %s unique among its active rows', named, relation),
      hint = format('select nightshift.enable_soft_delete(%L, unique_among_active => array[%L]);', relation::text, named);
  end if;
  own_columns := array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column]
    || case when settings.flag_column is not null then array[settings.flag_column] end;
end;
$$;

comment on function nightshift.active_arbiter is
  'The unique index that decides whether a row with some values is there already: its columns, how ON CONFLICT names it, when a row r has the values of v in them, and the columns that only soft delete writes. One among active rows before one among all. Errors: NS422 there is none, and those of columns_named and soft_delete_rules.';

-- supabase/schema/soft-delete/active_index.sql

create or replace function nightshift.active_index(settings nightshift.soft_delete_tables, columns text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select i.indexrelid::regclass
  from pg_catalog.pg_index i
  where i.indrelid = settings.relation and i.indisvalid and i.indexprs is null
    and pg_get_expr(i.indpred, i.indrelid) = case when settings.flag_column is null then format('(%I IS NULL)', settings.marker_column)
      else format('(%I IS NOT TRUE)', settings.flag_column) end
    and columns = (
      select string_agg(quote_ident(a.attname), ', ' order by u.position)
      from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality u(attnum, position)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
    )
  order by i.indisunique, i.indexrelid
  limit 1;
$$;

comment on function nightshift.active_index is
  'The index of the rows of a table that are not deleted by these columns (as columns_named gives them), or null when there is none.';

-- supabase/schema/soft-delete/calling_user.sql

create or replace function nightshift.calling_user()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '');
$$;

comment on function nightshift.calling_user is
  'The user on whose behalf a request is made, as auth.uid() has it; null for service_role and without a request.';

-- supabase/schema/soft-delete/check_soft_delete.sql

create or replace function nightshift.check_soft_delete(settings nightshift.soft_delete_tables)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_table record;
  wrong text;
  fix text;
begin
  select c.relkind, c.relrowsecurity, c.relispartition, n.nspname into found_table
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = settings.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name an existing table, with its schema: nightshift.enable_soft_delete(''public.orders'').';
  end if;
  if found_table.relkind not in ('r', 'p') or found_table.relispartition
    or found_table.nspname in ('pg_catalog', 'information_schema', 'nightshift', 'supabase_migrations') or found_table.nspname like 'pg\_t%'
    or nightshift.advice_for_supabase_table(settings.relation) is not null
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s is no table of the application', settings.relation),
      hint = coalesce(nightshift.advice_for_supabase_table(settings.relation),
        'Name the table that holds the rows; of a partitioned table, that is the table itself.');
  end if;
  perform nightshift.require_trusted(array[settings.relation::oid]);
  perform nightshift.require_own_rows(settings.relation);

  select w.wrong, w.fix into wrong, fix
  from (
    select 1, format('%s has no primary key', settings.relation), 'Rows are named by it: add one.'
    where not exists (select from nightshift.key_of(settings.relation))
    union all
    select 2, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype),
      'When a row was deleted is a timestamptz, a timestamp or a date: name that column with marker_column.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.marker_column and not a.attisdropped
      and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
    union all
    select 3, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype), 'A flag is a boolean.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.flag_column and not a.attisdropped and a.atttypid <> 'boolean'::regtype
    union all
    select 4, format('%s has no column %I', settings.relation, settings.flag_column), 'Name the boolean that is true in deleted rows, or leave flag_column out.'
    where settings.flag_column is not null and nightshift.column_type(settings.relation, settings.flag_column) is null
    union all
    select 5, format('%I of %s is of type %s', a.attname, settings.relation, a.atttypid::regtype),
      'Name a column of another type, or one that is not there yet: it is added. Who deleted is text, varchar or uuid, why is text or varchar, and the operation a uuid.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and not a.attisdropped
      and (
        a.attname = settings.by_column and a.atttypid not in ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype)
        or a.attname = settings.reason_column and a.atttypid not in ('text'::regtype, 'varchar'::regtype)
        or a.attname = settings.operation_column and a.atttypid <> 'uuid'::regtype
      )
    union all
    select 5, format('%I of %s is too short for the id of a user', a.attname, settings.relation),
      format('alter table %s alter column %I type text;', settings.relation, a.attname)
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and a.attname = settings.by_column and not a.attisdropped
      and a.atttypid = 'varchar'::regtype and a.atttypmod between 0 and 39
    union all
    select 6, format('%I of %s cannot be null, is generated, or is set when a row is written', a.attname, settings.relation),
      'It must be null in rows that are not deleted: name another column, or let it be added.'
    from pg_catalog.pg_attribute a
    where a.attrelid = settings.relation and not a.attisdropped
      and (
        a.attname in (settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column)
          and (a.attnotnull or a.attgenerated <> '' or nightshift.is_set_by_default(settings.relation, a.attname))
        or a.attname = settings.flag_column and a.attgenerated <> ''
      )
    union all
    select 7, format('Row level security is off for %s, so a policy would hide nothing', settings.relation),
      format('alter table %s enable row level security; /* with policies that say who sees which rows */', settings.relation)
    where settings.hide and not found_table.relrowsecurity
    union all
    select 8, format('%s has a retention policy by another column', settings.relation),
      format('Name that of the policy: marker_column => %L, flag_column => %L.', p.marker_column, p.flag_column)
    from nightshift.retention_policies p
    where p.relation = settings.relation
      and (p.marker_column, p.flag_column) is distinct from (settings.marker_column, settings.flag_column)
      and exists (select from nightshift.soft_delete_policies() s where s.relation = p.relation)
  ) w(position, wrong, fix)
  order by w.position
  limit 1;
  if found then
    raise exception using errcode = 'NS422', message = wrong, hint = fix;
  end if;
end;
$$;

comment on function nightshift.check_soft_delete is
  'Raises NS404 or NS422, with the fix in the hint, unless rows of a table can be marked as deleted as its settings say.';

-- supabase/schema/soft-delete/column_definition_type.sql

create or replace function nightshift.column_definition_type(relation regclass, column_name name)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format_type(a.atttypid, a.atttypmod)
    from pg_catalog.pg_attribute a
    where a.attrelid = column_definition_type.relation and a.attname = column_definition_type.column_name
      and a.attnum > 0 and not a.attisdropped
  );
end;
$$;

comment on function nightshift.column_definition_type is
  'The type of a column with its length or precision, to which a value is rounded when it is written: timestamp(3) without time zone.';

-- supabase/schema/soft-delete/columns_named.sql

create or replace function nightshift.columns_named(relation regclass, names text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  parts constant text[] := regexp_split_to_array(btrim(names), '\s*,\s*');
  columns text[] := array(
    select quote_ident(a.attname)
    from unnest(parts) with ordinality p(name, position)
    join pg_catalog.pg_attribute a on a.attrelid = columns_named.relation and a.attnum > 0 and not a.attisdropped
      and p.name in (a.attname, quote_ident(a.attname), format('"%s"', replace(a.attname, '"', '""')))
    order by p.position
  );
begin
  if cardinality(columns) <> cardinality(parts) or names is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s are not columns of %s', coalesce(quote_literal(names), 'null'), relation),
      hint = 'Name them as in ''tenant_id, sku''.';
  end if;
  return array_to_string(columns, ', ');
end;
$$;

comment on function nightshift.columns_named is
  'Columns of a table, given as a list with commas, as SQL writes them. Errors: NS422 one of them is not there.';

-- supabase/schema/soft-delete/comparison_operator.sql

create or replace function nightshift.comparison_operator(type_id oid, strategy integer)
returns oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive base(id) as (
    select comparison_operator.type_id
    union all
    select t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.id and t.typtype = 'd'
  ), plain as (
    select t.oid, t.typtype, t.typcategory from base b join pg_catalog.pg_type t on t.oid = b.id and t.typtype <> 'd'
  )
  select p.amopopr
  from plain
  join pg_catalog.pg_opclass c on c.opcdefault and c.opcmethod = (select a.oid from pg_catalog.pg_am a where a.amname = 'btree')
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = comparison_operator.strategy
  where c.opcintype = plain.oid
    or c.opcintype = 'anyenum'::regtype and plain.typtype = 'e'
    or c.opcintype = 'anyarray'::regtype and plain.typcategory = 'A'
    or c.opcintype = 'anyrange'::regtype and plain.typtype = 'r'
    or exists (
      select from pg_catalog.pg_cast t
      where t.castsource = plain.oid and t.casttarget = c.opcintype and t.castmethod = 'b' and t.castcontext = 'i'
    )
  order by c.opcintype <> plain.oid, c.opcintype = 'text'::regtype desc, c.opcintype
  limit 1;
$$;

comment on function nightshift.comparison_operator is
  'The operator by which an index sorts a type: strategy 1 to 5 is <, <=, =, >=, >. Null for a type without an order, like json.';

-- supabase/schema/soft-delete/condition_in_sql.sql

create or replace function nightshift.condition_in_sql(relation regclass, condition jsonb)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  hint constant text := 'Pass [{"column": "status", "operator": "eq", "value": "done"}]: operators are eq, neq, lt, lte, gt, gte, in (with an array), is_null and not_null (without a value), and all must be true.';
  term jsonb;
  position bigint;
  "column" record;
  comparison text;
  wrong text;
  terms text[] := '{}';
begin
  -- Only whoever may delete its rows learns of its columns.
  perform nightshift.soft_delete_rules(relation);
  if condition is null or jsonb_typeof(condition) <> 'array' or condition = '[]' then
    raise exception using
      errcode = 'NS422',
      message = 'condition must be an array of one comparison or more',
      detail = 'An empty one would delete all rows.',
      hint = hint;
  end if;
  for term, position in select t.e, t.n - 1 from jsonb_array_elements(condition) with ordinality t(e, n) loop
    comparison := case when jsonb_typeof(term) = 'object' then term ->> 'operator' end;
    select quote_ident(a.attname) as name, format('%I.%I', n.nspname, t.typname) as type, a.atttypid::regtype as shown_type,
      nightshift.comparison_operator(a.atttypid, case comparison when 'lt' then 1 when 'lte' then 2 when 'gte' then 4 when 'gt' then 5 else 3 end) as operator
    into "column"
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = relation and a.attname::text = term ->> 'column' and a.attnum > 0 and not a.attisdropped;
    wrong := case
      when comparison is null or comparison not in ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'is_null', 'not_null') then
        format('%s is no comparison', term)
      when "column".name is null then format('%s has no column %I', relation, coalesce(term ->> 'column', ''))
      when term - array['column', 'operator', 'value'] <> '{}' then format('%s is no comparison', term)
      when comparison in ('is_null', 'not_null') then
        case when term ? 'value' then format('%s takes no value', comparison) end
      when "column".operator is null then format('Values of type %s cannot be compared', "column".shown_type)
      when comparison = 'in' then
        case when coalesce(jsonb_typeof(term -> 'value'), '') <> 'array' or term -> 'value' @> '[null]' then 'in takes an array of values without null' end
      when coalesce(jsonb_typeof(term -> 'value'), 'null') = 'null' then
        format('%s takes a value other than null, for which there are is_null and not_null', comparison)
    end;
    if wrong is not null then
      raise exception using errcode = 'NS422', message = wrong, hint = hint;
    end if;
    terms := terms || case
      when comparison in ('is_null', 'not_null') then
        format('r.%s is %s', "column".name, case comparison when 'is_null' then 'null' else 'not null' end)
      else (
        select format(case comparison when 'neq' then 'not (%s)' else '%s' end,
          case comparison
            when 'in' then format(
              'r.%1$s%2$s %3$s any (array(select v%4$s from jsonb_array_elements_text($1 -> %5$s -> ''value'') v))',
              "column".name, o.cast_left, o.name, value_type, position)
            else format('r.%1$s%2$s %3$s ($1 -> %5$s ->> ''value'')%4$s', "column".name, o.cast_left, o.name, value_type, position)
          end)
        from nightshift.trusted_operator("column".operator) o
        cross join lateral (select coalesce(nullif(o.cast_right, ''), '::' || "column".type)) t(value_type)
      )
    end;
  end loop;
  return array_to_string(terms, ' and ');
end;
$$;

comment on function nightshift.condition_in_sql is
  'The SQL condition for rows r of a table that a condition [{column, operator, value}] says, where $1 is that condition: it holds names of columns and operators, and no value. Errors: NS422 it is empty, or one of its comparisons is none; NS403, NS404 as of soft_delete_rules.';

-- supabase/schema/soft-delete/declare_cascades.sql

create or replace function nightshift.declare_cascades(relation regclass, cascade text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  entry text;
  named regclass;
  columns text;
  keys oid[];
begin
  if cascade is null then
    return;
  end if;
  delete from nightshift.soft_delete_cascades s where s.relation = declare_cascades.relation;
  foreach entry in array cascade loop
    named := nightshift.find_relation(entry);
    columns := null;
    if named is null then
      -- As in public.messages(sender_id): the columns of one key of several.
      named := nightshift.find_relation(substring(entry from '^(.*)\(.*\)\s*$'));
      columns := regexp_replace(substring(entry from '\(([^()]*)\)\s*$'), '\s*,\s*', ', ', 'g');
    end if;
    keys := array(
      select c.oid from pg_catalog.pg_constraint c
      where c.contype = 'f' and c.conparentid = 0 and c.conrelid = named and c.confrelid = relation
        and (columns is null or nightshift.key_columns(c.oid) = btrim(columns))
    );
    if cardinality(keys) <> 1 then
      raise exception using
        errcode = case when named is null then 'NS404' else 'NS422' end,
        message = case
          when named is null then format('There is no table %s', coalesce(entry, 'null'))
          when keys = '{}' then format('%s has no such foreign key to %s', entry, relation)
          else format('%s refers to %s in several ways', entry, relation) end,
        hint = coalesce('Name the foreign key by its columns, one of: ' || (
          select string_agg(quote_literal(nightshift.key_in_words(c.oid)), ', ')
          from pg_catalog.pg_constraint c
          where c.contype = 'f' and c.conparentid = 0 and c.confrelid = relation and (named is null or c.conrelid = named)
        ), 'Nothing refers to it by a foreign key.');
    end if;
    if not exists (select from nightshift.soft_delete_tables t where t.relation = named) then
      raise exception using
        errcode = 'NS422',
        message = format('Rows of %s cannot go along, since soft delete is not enabled for it', named),
        hint = format('First: select nightshift.enable_soft_delete(%L);', named::text);
    end if;
    insert into nightshift.soft_delete_cascades (relation, referencing, constraint_name)
    select declare_cascades.relation, named, c.conname from pg_catalog.pg_constraint c where c.oid = keys[1]
    on conflict do nothing;
  end loop;
end;
$$;

comment on function nightshift.declare_cascades is
  'Replaces the foreign keys along which deletions in a table go on; null leaves them as they are. Entries name a table that refers to it, with the columns of the key where there are several. Errors: NS404 no such table, NS422 no or several keys, or a table without soft delete.';

-- supabase/schema/soft-delete/deleted_since.sql

-- For clients that keep a copy: which rows are deleted since they asked last.
-- Why not by deleted_at: a transaction that began earlier may commit later, and its rows would never be seen.
-- Rights: those of the caller; row level security decides, as if nothing were hidden because it is deleted.
-- Locks: ACCESS SHARE.

create or replace function nightshift.deleted_since(relation regclass, after text default null)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_keys constant integer := 10000;
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  place constant text[] := regexp_match(coalesce(after, '0,0'), '^(\d{1,18}),(\d{1,18})(?:,(\{.*\}))?$');
  next_place text := coalesce(after, '0,0');
  deletion record;
  last_key jsonb;
  wrong boolean;
  begun boolean;
  page record;
  keys jsonb := '[]';
  deletions integer := 0;
  more boolean := false;
  context text;
begin
  begin
    last_key := place[3]::jsonb;
    wrong := place is null;
  exception
    when invalid_text_representation then
      wrong := true;
  end;
  if wrong then
    raise exception using
      errcode = 'NS422',
      message = format('%L is no place in the history', after),
      hint = 'Pass the after that the last call returned, or leave it out to begin with the oldest deletion.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for deletion in select d.* from nightshift.deletions_since(relation, place[1]::xid8, place[2]::bigint) d loop
    deletions := deletions + 1;
    begun := deletion.transaction = place[1]::xid8 and deletion.id = place[2]::bigint;
    -- The last call came to its end, or to a key of it.
    continue when begun and last_key is null;
    execute format($query$
      select coalesce(jsonb_agg(n.shown order by n.position), '[]') as keys, count(*) as rows, (array_agg(n.key order by n.position desc))[1] as last_key
      from (
        select %1$s as shown, %2$s as key, row_number() over (order by %3$s) as position from %4$s r
        where %5$s %6$s
        order by %3$s limit $3
      ) n
    $query$, rules.key_value, rules.key_object, rules.key_order, rules.source, rules.of_operation,
      case when begun then format('and (%1$s) > (select %1$s from jsonb_to_recordset(jsonb_build_array($4)) as r(%2$s))',
        rules.key_order, rules.key_definition) else '' end)
    into page using nightshift.operation_time(deletion.operation), deletion.operation, most_keys - jsonb_array_length(keys), last_key;
    keys := keys || page.keys;
    more := jsonb_array_length(keys) >= most_keys;
    next_place := format('%s,%s', deletion.transaction, deletion.id) || case when more then ',' || page.last_key::text else '' end;
    exit when more;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object('keys', keys, 'after', next_place, 'more', more or deletions >= 100);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deleted_since is
  'The keys of rows of a table that the caller may see, deleted ones included, and that are deleted, from a place in the history on: pass the after of the last call, or none to begin with the oldest deletion. No deletion is passed over, in whatever order transactions commit: one comes once every transaction that began before its own has ended. A key may come twice, and a row that was restored meanwhile does not come. Returns {keys: 10,000 at most, after, more: call again at once}. Errors: NS403, NS404, NS422.';

-- supabase/schema/soft-delete/deletion_actor.sql

create or replace function nightshift.deletion_actor(given text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller constant text := nightshift.calling_user();
begin
  if given <> caller then
    raise exception using
      errcode = 'NS403',
      message = 'Nobody can delete or restore in the name of another user',
      hint = 'Leave it out: who did it is the user of the request. Only service_role says who it was.';
  end if;
  return coalesce(caller, given, current_user);
end;
$$;

comment on function nightshift.deletion_actor is
  'Who deletes or restores: the user of the request, else who is given, else the role. Errors: NS403 the user gives another.';

-- supabase/schema/soft-delete/deletion_hash.sql

create or replace function nightshift.deletion_hash(keys jsonb, tables jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(jsonb_build_array(
    (select jsonb_agg(distinct k) from jsonb_array_elements(deletion_hash.keys) k),
    (
      select jsonb_agg(jsonb_build_array(e.relation, e.via, e.rows) order by e.relation, e.via nulls first)
      from (
        select t ->> 'relation', t ->> 'via', sum((t ->> 'rows')::bigint)
        from jsonb_array_elements(deletion_hash.tables) t
        group by 1, 2
      ) e(relation, via, rows)
      where e.rows > 0
    )
  )::text);
$$;

comment on function nightshift.deletion_hash is
  'What a deletion is confirmed by: a hash of the keys that were asked for, and of how many rows go in each table by each foreign key, [{relation, via, rows}].';

-- supabase/schema/soft-delete/deletion_operation.sql

create or replace function nightshift.deletion_operation(given uuid)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if given is null then
    return nightshift.start_operation();
  end if;
  -- The time of its rows is in its id: an old one would be purged early.
  if nightshift.operation_time(given) not between clock_timestamp() - interval '1 day' and clock_timestamp() then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not an operation of the last day', given),
      hint = 'Pass the operation that the first call returned, or leave it out to begin a new one.';
  end if;
  return given;
end;
$$;

comment on function nightshift.deletion_operation is
  'The operation to delete by: the one given, or a new one. Errors: NS422 it is not of the last day.';

-- supabase/schema/soft-delete/deletion_stats.sql

-- Figures of a table with soft delete, at a bounded cost: counted exactly up to a limit, and estimated beyond it.
-- Locks: ACCESS SHARE.

create or replace function nightshift.deletion_stats(relation regclass, as_of timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  counted_at_most constant integer := 100000;
  source constant text := nightshift.scan_of(relation);
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation, false);
  policy record;
  all_rows bigint;
  all_exact boolean := true;
  deleted bigint;
  deleted_exact boolean;
  oldest timestamptz;
  due bigint;
  days jsonb;
  deleted_by_day bigint;
  restored_by_day bigint;
  context text;
begin
  execute format('select count(*) from (select from %s r where %s limit %s) n', source, rules.deleted, counted_at_most + 1) into deleted;
  deleted_exact := deleted <= counted_at_most;
  execute format('select count(*) from (select from %s r limit %s) n', source, counted_at_most + 1) into all_rows;
  if all_rows > counted_at_most then
    all_exact := false;
    all_rows := greatest(all_rows, (
      select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint from nightshift.leaf_relations(relation) l join pg_catalog.pg_class c on c.oid = l
    ));
  end if;
  if not deleted_exact then
    -- The planner keeps count of the entries of the index that holds deleted rows only.
    deleted := greatest(deleted, (
      select coalesce(sum(e.entries), 0)::bigint
      from (
        select max(greatest(x.reltuples, 0)) as entries
        from nightshift.leaf_relations(relation) l
        join pg_catalog.pg_index i on i.indrelid = l and i.indpred is not null and not i.indisunique
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] and format('r.%I', a.attname) = rules.marker
        group by l
      ) e
    ));
  end if;
  execute format('select (%1$s)::timestamp at time zone ''UTC'' from %2$s r where %3$s and %1$s is not null order by %1$s limit 1',
    case nightshift.column_type(relation, (parse_ident(substr(rules.marker, 3)))[1]::name) when 'timestamptz'::regtype
      then format('%s at time zone ''UTC''', rules.marker) else rules.marker end, source, rules.deleted)
  into oldest;

  select p.* into policy from nightshift.retention_policies p where p.relation = deletion_stats.relation and p.enabled;
  if found then
    execute format('select count(*) from (select from %s r where (%s) is true and %s limit %s) n', source,
      nightshift.due_condition('r', relation, policy.drop_after - interval '7 days', policy.marker_column, policy.flag_column, as_of),
      rules.deleted, counted_at_most + 1)
    into due;
  end if;

  select jsonb_agg(jsonb_build_object('day', d.day, 'deleted', d.deleted, 'restored', d.restored) order by d.day), sum(d.deleted), sum(d.restored)
  into days, deleted_by_day, restored_by_day
  from (
    select g.day::date as day, coalesce(sum(e.rows) filter (where e.action = 'delete'), 0) as deleted,
      coalesce(sum(e.rows) filter (where e.action = 'restore'), 0) as restored
    from generate_series(0, 29) n
    cross join lateral (select (as_of at time zone 'UTC')::date - n as day) g
    left join (
      select (e.at at time zone 'UTC')::date as day, e.action, sum(e.rows) as rows
      from nightshift.deletion_events e
      where e.relation_name = relation::text and e.at >= as_of - interval '30 days' and e.at <= as_of and e.action in ('delete', 'restore')
      group by 1, 2
    ) e on e.day = g.day
    group by g.day
  ) d;
  return jsonb_build_object(
    'active', jsonb_build_object('rows', greatest(all_rows - deleted, 0), 'exact', all_exact and deleted_exact),
    'deleted', jsonb_build_object('rows', deleted, 'exact', deleted_exact),
    'oldestDeletedAt', oldest,
    'byDay', days,
    'restoreRate', round(restored_by_day::numeric / nullif(deleted_by_day, 0), 4),
    'dueNext7Days', case when due is not null then jsonb_build_object('rows', due, 'exact', due <= counted_at_most) end,
    'bytes', (select sum(pg_total_relation_size(l)) from nightshift.leaf_relations(relation) l)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.deletion_stats is
  'Figures of a table with soft delete: {active, deleted: {rows, exact: counted, else estimated, as beyond 100,000}, oldestDeletedAt, byDay: the last 30 days of UTC, [{day, deleted, restored}], restoreRate: restored by deleted in these, null without any, dueNext7Days: {rows, exact}, those that are due by then by the retention policy, null without one, bytes: with indexes}. as_of: default now. Errors: NS404 soft delete is not enabled.';

-- supabase/schema/soft-delete/deletions_since.sql

create or replace function nightshift.deletions_since(
  relation regclass, after_transaction xid8, after_id bigint, out transaction xid8, out id bigint, out operation uuid
)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  perform nightshift.soft_delete_rules(relation);
  -- What is not older than every transaction under way may yet be preceded by one that commits later.
  return query
    with complete as not materialized (
      select e.transaction, e.id, e.operation from nightshift.deletion_events e
      where e.relation_name = deletions_since.relation::text and e.action = 'delete' and e.operation is not null
        and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
    )
    select c.transaction, c.id, c.operation
    from complete c
    where (c.transaction, c.id) >= (after_transaction, after_id)
      -- Of an operation in several statements, the last one stands for all of its rows.
      and not exists (
        select from complete n where n.operation = c.operation and (n.transaction, n.id) > (c.transaction, c.id)
      )
    order by c.transaction, c.id
    limit 100;
end;
$$;

comment on function nightshift.deletions_since is
  'The operations that deleted rows of a table, from a place in the history on, in an order in which none is ever put in before one that was given already. Without keys, since whoever may delete may ask. Errors: as of soft_delete_rules.';

-- supabase/schema/soft-delete/disable_soft_delete.sql

create or replace function nightshift.disable_soft_delete(relation regclass, deleted_rows text default null)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  settings nightshift.soft_delete_tables;
  rules nightshift.soft_delete_rules;
  source text;
  any_deleted boolean;
  done jsonb := '[]';
  statement text;
  context text;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = disable_soft_delete.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', coalesce(relation::text, 'null')),
      hint = 'select nightshift.inspect_soft_delete(); shows the tables that have it.';
  end if;
  if deleted_rows not in ('keep', 'restore') then
    raise exception using
      errcode = 'NS422',
      message = format('deleted_rows cannot be %L', deleted_rows),
      hint = '''keep'' leaves them as they are, with their columns; ''restore'' makes them active. To remove them, purge first.';
  end if;
  perform nightshift.require_ownership(relation, 'columns and triggers');
  source := nightshift.trusted_name(relation);
  execute format('lock table %s in share row exclusive mode', source);
  rules := nightshift.soft_delete_rules(relation, false);
  execute format('select exists (select from %s r where %s)', nightshift.scan_of(relation), rules.deleted) into any_deleted;
  if any_deleted and deleted_rows is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has deleted rows', relation),
      detail = 'Without soft delete nothing keeps them apart from the others. Nothing was changed.',
      hint = format('Say what becomes of them: select nightshift.disable_soft_delete(%L, deleted_rows => ''keep''), or ''restore''.', relation::text);
  end if;
  update nightshift.soft_delete_cascades c set guarded = false where disable_soft_delete.relation in (c.relation, c.referencing) and c.guarded;
  for statement in
    select g.statement from nightshift.guard_steps(relation) g
    -- A table that refers to itself has its guard in both.
    union
    select format('drop trigger %I on %s;', t.tgname, source)
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'nightshift'::regnamespace
    where t.tgrelid = relation and t.tgname like 'zz\_nightshift\_%'
    union all
    select format('drop policy nightshift_hides_deleted on %s;', source)
    from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = 'nightshift_hides_deleted'
    union all
    select format('drop view if exists %s;', v.view_name)
    from unnest(array['active', 'deleted']) k cross join lateral nightshift.soft_delete_view(settings, k) v
    where settings.views
    union all
    select format('drop index %s;', i.name)
    from unnest(settings.added_indexes) c cross join lateral (select nightshift.active_index(settings, c) as name) i
    where i.name is not null
    union all
    select format('update %s r set %s where %s;', nightshift.scan_of(relation), rules.unmark, rules.deleted)
    where any_deleted and deleted_rows = 'restore'
    union all
    select format('alter table %s %s;', source, string_agg(format('drop column %I', c), ', '))
    from unnest(settings.added_columns) c
    where not any_deleted or deleted_rows = 'restore'
    having count(*) > 0
  loop
    execute statement;
    done := done || to_jsonb(statement);
  end loop;
  delete from nightshift.soft_delete_tables t where t.relation = disable_soft_delete.relation;
  perform nightshift.settle_users();
  notify pgrst, 'reload schema';
  return jsonb_build_object('relation', relation::text, 'done', done);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.disable_soft_delete is
  'Undoes enable_soft_delete: its triggers, policy and views, the indexes of active rows that it was asked for, and the columns that it added, where no row is deleted. deleted_rows says what becomes of rows that are: keep (they stay as they are, and so do the columns) or restore (they are active again); without it such a table is refused. The history stays, and so do the other indexes and the retention policy, which are of use without it. Returns {relation, done: the statements}. Errors, nothing changed: NS404, NS422, 2BP01 something else depends on a view or column.';

-- supabase/schema/soft-delete/duplicates_query.sql

create or replace function nightshift.duplicates_query(settings nightshift.soft_delete_tables, unique_among_active text[])
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(
    format('select %1$s, count(*) from %2$s where num_nulls(%1$s) = 0%3$s group by %1$s having count(*) > 1;',
      nightshift.columns_named(settings.relation, u.columns), settings.relation,
      case
        when settings.flag_column is not null then format(' and %I is not true', settings.flag_column)
        -- Without the column that would have been added, no row is deleted yet.
        when nightshift.column_type(settings.relation, settings.marker_column) is null then ''
        else format(' and %I is null', settings.marker_column)
      end),
    ' ' order by u.position)
  from unnest(unique_among_active) with ordinality u(columns, position);
$$;

comment on function nightshift.duplicates_query is 'The queries that find active rows with the same values.';

-- supabase/schema/soft-delete/edges_to_children.sql

create or replace function nightshift.edges_to_children(relation regclass, out referencing regclass, out constraint_name name, out children text)
returns setof record
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select s.referencing, s.constraint_name, format(
    'select jsonb_agg(c.key) from (select %s as key '
    || 'from (select %s from jsonb_to_recordset($1) as k(%s) join %s r on %s) p join %s r on %s where not (%s)) c',
    child.key_object, parent_columns, parent.key_definition, parent.source, parent.key_match, child.source,
    nightshift.references_condition(c.oid), child.deleted)
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  cross join lateral nightshift.soft_delete_rules(s.relation) parent
  cross join lateral nightshift.soft_delete_rules(s.referencing) child
  -- No more than it needs, since a user may read some of the columns only.
  cross join lateral (
    select string_agg(format('r.%I', a.attname), ', ')
    from pg_catalog.pg_attribute a where a.attrelid = c.confrelid and a.attnum = any(c.confkey)
  ) n(parent_columns)
  where s.relation = edges_to_children.relation
  order by s.referencing::text, s.constraint_name;
$$;

comment on function nightshift.edges_to_children is
  'The foreign keys along which a deletion in a table goes on: the table that refers, the foreign key, and the query for the keys of its rows that are not deleted and refer to the rows with the keys $1. Errors: see soft_delete_rules.';

-- supabase/schema/soft-delete/edges_to_parents.sql

create or replace function nightshift.edges_to_parents(relation regclass, out referenced regclass, out constraint_name name, out deleted_parents text, out blocking text)
returns setof record
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select s.relation, s.constraint_name, format(
    'select jsonb_agg(distinct p.nightshift_key) from (select %s from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
    || 'join (select %s, %s as nightshift_key from %s r where %s) p on %s',
    child_columns, child.key_definition, child.source, child.key_match,
    parent_columns, parent.key_object, parent.source, parent.deleted, nightshift.references_condition(c.oid)), format(
    'select jsonb_agg(jsonb_build_object(''key'', r.nightshift_key, ''blocking'', p.nightshift_key)) '
    || 'from (select %s, %s as nightshift_key from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
    || 'join (select %s, %s as nightshift_key from %s r where %s and r.%I is distinct from $2) p on %s',
    child_columns, child.key_value, child.key_definition, child.source, child.key_match,
    parent_columns, parent.key_value, parent.source, parent.deleted, t.operation_column, nightshift.references_condition(c.oid))
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  join nightshift.soft_delete_tables t on t.relation = s.relation
  cross join lateral nightshift.soft_delete_rules(s.relation, false) parent
  cross join lateral nightshift.soft_delete_rules(s.referencing) child
  -- No more than they need, since a user may read some of the columns only.
  cross join lateral (
    select string_agg(format('r.%I', a.attname), ', ') filter (where a.attrelid = c.conrelid and a.attnum = any(c.conkey)),
      string_agg(format('r.%I', a.attname), ', ') filter (where a.attrelid = c.confrelid and a.attnum = any(c.confkey))
    from pg_catalog.pg_attribute a where a.attrelid in (c.conrelid, c.confrelid)
  ) n(child_columns, parent_columns)
  where s.referencing = edges_to_parents.relation
  order by s.relation::text, s.constraint_name;
$$;

comment on function nightshift.edges_to_parents is
  'The foreign keys along which a deletion came to a table: the table referred to, the foreign key, and queries for the keys of its deleted rows to which the rows with the keys $1 refer, and for what keeps those from coming back with operation $2: [{key, blocking: the key of a row that another operation deleted}]. Errors: see soft_delete_rules.';

-- supabase/schema/soft-delete/enable_soft_delete.sql

-- Making a table one whose rows are marked as deleted, and can come back; or bringing one that is up to date.
-- Locks: as each step says. Nothing is rewritten. What takes long on a large table is left to be done concurrently.

create or replace function nightshift.enable_soft_delete(
  relation regclass,
  marker_column name default null,
  flag_column name default null,
  by_column name default null,
  reason_column name default null,
  cascade text[] default null,
  unique_among_active text[] default null,
  hide boolean default null,
  for_users boolean default null,
  views boolean default null,
  drop_after interval default null,
  guard boolean default null,
  active_indexes text[] default null,
  dry_run boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  settings nightshift.soft_delete_tables;
  step nightshift.ddl_step;
  done jsonb := '[]';
  to_do jsonb := '[]';
  guarded_before constant boolean := (select bool_or(c.guarded) from nightshift.soft_delete_cascades c where c.relation = enable_soft_delete.relation);
  context text;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = enable_soft_delete.relation;
  settings.relation := relation;
  settings.relation_name := relation::text;
  settings.marker_column := coalesce(marker_column, settings.marker_column, 'deleted_at');
  settings.flag_column := coalesce(flag_column, settings.flag_column);
  settings.by_column := coalesce(by_column, settings.by_column, 'deleted_by');
  settings.reason_column := coalesce(reason_column, settings.reason_column, 'deletion_reason');
  settings.operation_column := coalesce(settings.operation_column, 'deletion_id');
  settings.hide := coalesce(hide, settings.hide, false);
  settings.for_users := coalesce(for_users, settings.for_users, false);
  settings.views := coalesce(views, settings.views, true);
  settings.created_at := coalesce(settings.created_at, now());
  perform nightshift.check_soft_delete(settings);
  perform nightshift.require_ownership(settings.relation, 'columns and triggers');
  settings.added_columns := coalesce(settings.added_columns, '{}') || array(
    select c.name
    from unnest(array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column]) c(name)
    where nightshift.column_type(settings.relation, c.name) is null
  );
  settings.active_indexes := case when active_indexes is null then coalesce(settings.active_indexes, '{}')
    else array(select distinct nightshift.columns_named(settings.relation, i) from unnest(active_indexes) i order by 1) end;
  settings.added_indexes := array(
    select unnest(settings.added_indexes)
    union select i from unnest(settings.active_indexes) i where nightshift.active_index(settings, i) is null
  );
  for step in select s.* from nightshift.soft_delete_steps(settings, unique_among_active) s loop
    if dry_run or step.outside_transaction or to_do <> '[]' and step.statement ~ '^(alter table \S+ drop constraint|drop index)' then
      to_do := to_do || jsonb_build_object('statement', step.statement, 'why', step.why, 'lock', step.lock);
    else
      execute step.statement;
      done := done || jsonb_build_object('statement', step.statement, 'why', step.why, 'lock', step.lock);
    end if;
  end loop;
  if not dry_run then
    delete from nightshift.soft_delete_tables t
    where not exists (select from pg_catalog.pg_class c where c.oid = t.relation);
    insert into nightshift.soft_delete_tables select settings.*
    on conflict on constraint soft_delete_tables_pkey do update set
      relation_name = excluded.relation_name, marker_column = excluded.marker_column, flag_column = excluded.flag_column,
      by_column = excluded.by_column, reason_column = excluded.reason_column, operation_column = excluded.operation_column,
      added_columns = excluded.added_columns, active_indexes = excluded.active_indexes, added_indexes = excluded.added_indexes, views = excluded.views, hide = excluded.hide, for_users = excluded.for_users;
    perform nightshift.declare_cascades(relation, cascade);
    update nightshift.soft_delete_cascades c set guarded = coalesce(guard, guarded_before, false)
    where c.relation = enable_soft_delete.relation;
    for step in select s.* from nightshift.guard_steps(relation) s loop
      execute step.statement;
      done := done || jsonb_build_object('statement', step.statement, 'why', step.why, 'lock', step.lock);
    end loop;
    perform nightshift.settle_users();
    if drop_after is not null then
      done := done || jsonb_build_object('statement', format('select nightshift.add_retention_policy(%L, %L);', relation::text, drop_after),
        'why', 'Deleted rows are purged once they are older.', 'lock', 'none');
      perform nightshift.add_retention_policy(relation, drop_after, settings.marker_column, settings.flag_column);
    end if;
    -- A new view is not known to the Data API before it reads the schema again.
    notify pgrst, 'reload schema';
  end if;
  return jsonb_build_object('relation', relation::text, 'done', done, 'toDo', to_do);
exception
  when unique_violation then
    get stacked diagnostics context = message_text;
    raise exception using
      errcode = 'NS422',
      message = format('Active rows of %s have the same values already, so they cannot be unique', relation),
      detail = 'Nothing was changed.',
      hint = format('Find them: %s', nightshift.duplicates_query(settings, unique_among_active));
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.enable_soft_delete is
  'Lets rows of a table be marked as deleted, restored and accounted for, or brings a table up to date for which it was called before; what is not given stays. Adds the columns deleted_at, deleted_by, deletion_reason and deletion_id, or adopts those that are named (marker_column: timestamptz, or timestamp or date of UTC; flag_column: a boolean; by_column: text, varchar or uuid); an index of deleted rows; triggers that give a deletion by plain update the time of the server and the user of the request, and write the history; and the views active_<table> and deleted_<table> (unless views => false) with the rights of who reads. cascade: tables whose rows go along with the row that they refer to, like ''public.order_items'' or ''public.messages(sender_id)''; each needs soft delete itself. unique_among_active: columns, like ''tenant_id, sku'', whose values can be used again once the row is deleted. hide: a restrictive policy hides deleted rows from users. for_users: users may call soft_delete and restore, within row level security. drop_after: also a retention policy. guard: no row of the tables in cascade can be added to a deleted row, or pointed to it. active_indexes: lists of columns, like ''customer_id, created_at'', by each of which the rows that are not deleted get an index of their own, in place of the lists given before; an index that this leaves without use stays until disable_soft_delete. dry_run: only says what it would do. Returns {relation, done, toDo}, each [{statement, why, lock}]: toDo is to be executed outside of a transaction, as on large tables indexes are. Errors, nothing changed: NS404, NS422, 55P03 the table was locked for a second: call again.';

-- supabase/schema/soft-delete/find_rows.sql

-- It asks for the pieces of SQL itself: users execute this, and whoever could pass them would execute what they like, with the
-- rights of the role that the API logs in as.

create or replace function nightshift.find_rows(
  relation regclass, keys jsonb, row_lock text, as_given boolean default false,
  out asked integer, out active jsonb, out deleted jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  context text;
begin
  -- In the order of the keys, so that two calls wait for each other and are never in a deadlock.
  execute format($query$
    with asked as (select distinct * from jsonb_to_recordset($1) as k(%1$s)),
    -- Under the name of the marker, which no column of a primary key has, since it can be null.
    seen as materialized (
      select %2$s, %3$s as %4$s from asked k join %5$s r on %6$s order by %2$s %7$s
    ),
    counted as (select count(*) filter (where not r.%4$s) as active from seen r)
    select (select count(*) from asked),
      case when $2 and c.active = jsonb_array_length($1) then $1
        else (select coalesce(jsonb_agg(%8$s), '[]') from seen r where not r.%4$s) end,
      (select coalesce(jsonb_agg(%8$s), '[]') from seen r where r.%4$s)
    from counted c
  $query$, rules.key_definition, rules.key_order, rules.deleted, substr(rules.marker, 3), rules.source, rules.key_match,
    case row_lock
      when 'update' then 'for update of r' when 'update skip locked' then 'for update of r skip locked'
      when 'update nowait' then 'for update of r nowait' else 'for key share of r' end,
    rules.key_object)
  into asked, active, deleted using keys, as_given;
exception
  when data_exception or check_violation then
    raise exception using
      errcode = 'NS422',
      message = format('One of the keys is not a value of the primary key of %s (%s)', rules.relation, rules.key_definition),
      hint = 'Pass values of that type. Nothing was changed.';
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.find_rows is
  'The rows with these keys that the caller may change: how many different keys were asked for, and those of active and of deleted rows, locked (row_lock: update, also with skip locked or nowait; or key share, for which only who deletes a row for good waits). as_given: where all of them are active, their keys may be those that were passed, whatever they look like, which is faster. Errors: NS422 a key is no value of its type, and those of soft_delete_rules.';

-- supabase/schema/soft-delete/guard_child.sql

-- A foreign key does not see that a row is deleted, so a row could be added to it that nobody finds again.
-- Why FOR SHARE: a deletion under way is waited for, and one that comes later waits, and then takes the new row along.
-- Argument of the trigger: the foreign key.

create or replace function nightshift.guard_child()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  key record;
  parent nightshift.soft_delete_rules;
  child nightshift.soft_delete_rules;
  changed text;
  is_moved boolean;
  is_deleted boolean;
begin
  select c.oid, c.conrelid, c.confrelid::regclass as referenced, c.conname, array(
    select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey)
  ) as columns
  into key
  from pg_catalog.pg_constraint c
  where c.contype = 'f' and c.conname = tg_argv[0] and c.conparentid = 0
    and (c.conrelid = tg_relid or c.conrelid in (select a from pg_partition_ancestors(tg_relid) a));
  if not found then
    return null;
  end if;
  if tg_op = 'UPDATE' then
    -- As text, by the types themselves: a cast to json may be anybody's code.
    changed := (
      select string_agg(format('format(''%%s'', ($1).%1$I) is distinct from format(''%%s'', ($2).%1$I)', c), ' or ')
      from unnest(key.columns) c
    );
    execute format('select %s', changed) into is_moved using old, new;
    if not is_moved then
      return null;
    end if;
  end if;
  parent := nightshift.soft_delete_rules(key.referenced, false);
  child := nightshift.soft_delete_rules(key.conrelid, false);
  execute format('select p%s from (select ($1).*) r join %s p on %s where not (%s) for share of p',
    substr(parent.deleted, 2), nightshift.scan_of(key.referenced), nightshift.references_condition(key.oid), child.deleted)
  into is_deleted using new;
  if is_deleted then
    raise exception using
      errcode = 'NS409',
      message = format('The row of %s that it would belong to is deleted', key.referenced),
      constraint = key.conname,
      hint = 'Restore that one first, or name another: nightshift.restore.';
  end if;
  return null;
end;
$$;

comment on function nightshift.guard_child is
  'Trigger of tables whose rows go along with those of another: refuses a row that is not deleted under one that is, when it is added or pointed to it.';

-- supabase/schema/soft-delete/guard_steps.sql

create or replace function nightshift.guard_steps(relation regclass)
returns setof nightshift.ddl_step
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
      when e.guarded then format(
        'create trigger %I after insert or update on %s for each row execute function nightshift.guard_child(%L);',
        e.trigger_name, nightshift.trusted_name(e.referencing), e.constraint_name)
      else format('drop trigger %I on %s;', e.trigger_name, nightshift.trusted_name(e.referencing)) end,
    case when e.guarded then format('No row can be added to a deleted row of %s, or pointed to it.', guard_steps.relation)
      else 'It is no longer asked for.' end,
    case when e.guarded then format('SHARE ROW EXCLUSIVE on %s for a moment', e.referencing)
      else format('ACCESS EXCLUSIVE on %s for a moment, once it has it', e.referencing) end,
    false
  from (
    select c.conrelid::regclass as referencing, c.conname as constraint_name, coalesce(s.guarded, false) as guarded,
      left('zz_nightshift_guard_' || c.conname, 63)::name as trigger_name
    from pg_catalog.pg_constraint c
    left join nightshift.soft_delete_cascades s
      on s.relation = c.confrelid and s.referencing = c.conrelid and s.constraint_name = c.conname
    where c.contype = 'f' and c.conparentid = 0 and c.confrelid = guard_steps.relation
  ) e
  left join pg_catalog.pg_trigger t
    on t.tgrelid = e.referencing and t.tgname = e.trigger_name and t.tgfoid = to_regprocedure('nightshift.guard_child()')
  where e.guarded <> coalesce(t.tgenabled = 'O', false)
  order by e.referencing::text, e.constraint_name;
$$;

comment on function nightshift.guard_steps is
  'The statements that give the tables whose rows go along with those of a table the triggers of guard, or take them away, as soft_delete_cascades says; none when they are so.';

-- supabase/schema/soft-delete/hold_parents.sql

-- A row that comes back while what it belongs to is being deleted would be left alone with a deleted parent: neither of the two
-- sees what the other has not committed yet.

create or replace function nightshift.hold_parents(relation regclass, keys jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  edge record;
  child nightshift.soft_delete_rules;
  context text;
begin
  for edge in
    select s.relation as parent, c.oid
    from nightshift.soft_delete_cascades s
    join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
    where s.referencing = hold_parents.relation and s.relation <> s.referencing
    order by s.relation::text, s.constraint_name
  loop
    child := nightshift.soft_delete_rules(relation);
    execute format(
      'select count(*) from (select from %s p where exists ('
      || 'select from jsonb_to_recordset($1) as k(%s) join %s r on %s where %s) for share of p) held',
      nightshift.scan_of(edge.parent), child.key_definition, nightshift.scan_of(relation), child.key_match,
      nightshift.references_condition(edge.oid))
    using keys;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.hold_parents is
  'Keeps the rows to which the rows with these keys refer, by foreign keys that deletions go along, from being deleted until the transaction ends. Errors: 55P03, and see soft_delete_rules.';

-- supabase/schema/soft-delete/inspect_soft_delete.sql

create or replace function nightshift.inspect_soft_delete(relation regclass default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  settings nightshift.soft_delete_tables;
  steps jsonb;
  answer jsonb := '[]';
  context text;
begin
  for settings in
    select t.* from nightshift.soft_delete_tables t
    where inspect_soft_delete.relation is null or t.relation = inspect_soft_delete.relation
    order by t.relation::text
  loop
    begin
      perform nightshift.check_soft_delete(settings);
      select coalesce(jsonb_agg(jsonb_build_object('statement', s.statement, 'why', s.why, 'lock', s.lock)), '[]') into steps
      from (
        select s.* from nightshift.soft_delete_steps(settings, null) s
        union all
        select g.* from nightshift.guard_steps(settings.relation) g
      ) s;
    exception
      when sqlstate 'NS404' or sqlstate 'NS422' then
        get stacked diagnostics context = message_text;
        steps := jsonb_build_array(jsonb_build_object('statement', null, 'why', context, 'lock', null));
    end;
    answer := answer || jsonb_build_object(
      'relation', settings.relation_name,
      'columns', jsonb_strip_nulls(jsonb_build_object('marker', settings.marker_column, 'flag', settings.flag_column, 'by', settings.by_column,
        'reason', settings.reason_column, 'operation', settings.operation_column)),
      'views', settings.views, 'hide', settings.hide, 'forUsers', settings.for_users,
      'activeIndexes', settings.active_indexes,
      'cascade', (
        select coalesce(jsonb_agg(s.referencing::text order by s.referencing::text), '[]')
        from nightshift.soft_delete_cascades s where s.relation = settings.relation
      ),
      'missing', steps,
      'advice', nightshift.soft_delete_advice(settings)
    );
  end loop;
  if answer = '[]' and inspect_soft_delete.relation is not null then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', relation),
      hint = format('See first what it would do: select nightshift.enable_soft_delete(%L, dry_run => true);', relation::text);
  end if;
  return answer;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.inspect_soft_delete is
  'Each table with soft delete, or one, as an array: {relation, columns, views, hide, forUsers, activeIndexes, cascade, missing: what has drifted since it was enabled, each with the statement that mends it, [{statement, why, lock}]; advice: what else is not safe or fast, in the same form}. Errors: NS404 not enabled for it.';

-- supabase/schema/soft-delete/key_of.sql

create or replace function nightshift.key_of(
  relation regclass, out "position" integer, out name name, out type text, out cast_left text, out operator text
)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- In this language a session plans the query once, which takes longer than to run it, and each deletion runs it several times.
begin
  return query
  -- The type that the operator takes, without a length: a cast to varchar(3) would cut a key short, and find another row.
  select u.position::integer, a.attname,
    case o.cast_right when '' then format('%I.%I', tn.nspname, t.typname) else substr(o.cast_right, 3) end, o.cast_left, o.name
  from pg_catalog.pg_index i
  cross join lateral unnest(i.indkey[0:i.indnkeyatts - 1], i.indclass[0:i.indnkeyatts - 1]) with ordinality u(attnum, opclass, position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
  join pg_catalog.pg_opclass c on c.oid = u.opclass
  join pg_catalog.pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype
    and p.amoprighttype = c.opcintype and p.amopstrategy = 3
  cross join lateral nightshift.trusted_operator(p.amopopr) o
  where i.indrelid = key_of.relation and i.indisprimary
  order by u.position;
end;
$$;

comment on function nightshift.key_of is
  'The columns of a primary key in their order: name, type of its values, and what to write between the column and a value to compare them as its index does. None without a primary key. Errors: see trusted_operator.';

-- supabase/schema/soft-delete/keys_asked.sql

create or replace function nightshift.keys_asked(relation regclass, key_names name[], keys jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  single constant text := case cardinality(key_names) when 1 then key_names[1] end;
  objects jsonb;
  wrong jsonb;
begin
  if keys is null or jsonb_typeof(keys) <> 'array' then
    raise exception using
      errcode = 'NS422',
      message = 'keys must be an array of primary keys',
      hint = 'Pass [1, 2] or ["a", "b"], or [{"a": 1, "b": 2}] where the key has several columns.';
  end if;
  if jsonb_array_length(keys) > 10000 then
    raise exception using
      errcode = 'NS422',
      message = format('%s keys are more than one call takes', jsonb_array_length(keys)),
      hint = 'Pass 10,000 at most, and call again for the rest with the same operation.';
  end if;
  select jsonb_agg(case when single is not null and jsonb_typeof(e) <> 'object' then jsonb_build_object(single, e) else e end)
  into objects
  from jsonb_array_elements(keys) e;
  -- Values of a single column are looked at in one go, which takes a tenth of the time.
  if single is null or jsonb_path_exists(keys, 'strict $[*] ? (@.type() == "null" || @.type() == "object" || @.type() == "array")') then
    select o into wrong
    from jsonb_array_elements(objects) o
    where jsonb_typeof(o) <> 'object'
      or exists (select from unnest(key_names) n where coalesce(jsonb_typeof(o -> n), 'null') in ('null', 'object', 'array'))
    limit 1;
  end if;
  if wrong is not null then
    raise exception using
      errcode = 'NS422',
      message = format('One of the keys is not a value of the primary key of %s: %s', relation,
        array_to_string(key_names, ', ')),
      hint = 'Pass [1, 2] or ["a", "b"], or [{"a": 1, "b": 2}] where the key has several columns. Nothing was changed.';
  end if;
  return coalesce(objects, '[]');
end;
$$;

comment on function nightshift.keys_asked is
  'The keys that a caller gave, each as an object of the columns of the primary key. Errors: NS422 no array, more than 10,000, a null, or an object without all columns.';

-- supabase/schema/soft-delete/list_deletion_events.sql

create or replace function nightshift.list_deletion_events(
  relation regclass default null,
  since timestamptz default null,
  max_events integer default 100,
  before bigint default null
)
returns setof jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  context text;
begin
  return query
    select jsonb_build_object('id', e.id, 'at', e.at, 'operation', e.operation, 'action', e.action, 'relation', e.relation_name,
      'rows', e.rows, 'keys', e.keys, 'actor', e.actor, 'reason', e.reason, 'details', e.details)
    from nightshift.deletion_events e
    where (list_deletion_events.relation is null or e.relation_name = list_deletion_events.relation::text)
      and (since is null or e.at >= since)
      and (before is null or e.id < before)
    order by e.id desc
    limit least(greatest(coalesce(max_events, 100), 1), 1000);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.list_deletion_events is
  'What was deleted, restored and purged, and what could not be restored, newest first: {id, at, operation, action, relation, rows, keys, actor, reason, details}, of one table or all, since a moment, max_events (default 100, 1,000 at most). before: the id of the last one of the page before.';

-- supabase/schema/soft-delete/mark_deletion.sql

-- Deletes and restores by a plain update, as applications do it today: the time is the server's, the user is the one of the request,
-- and a row that is deleted already keeps what its first deletion wrote.
-- Arguments of the trigger: what the update does (delete, restore, again), then the columns: marker, flag (or ''), by, reason, operation;
-- then uuid where who deleted is one, and no role can stand there.

create or replace function nightshift.mark_deletion()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  -- All by itself, since it runs with the rights of whoever updates the row, who may call nothing of Nightshift.
  actor constant text := nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '');
  before jsonb;
  after jsonb;
  deleted_at timestamptz;
  changes jsonb;
begin
  if tg_argv[0] = 'restore' then
    changes := jsonb_build_object(tg_argv[1], null, tg_argv[3], null, tg_argv[4], null, tg_argv[5], null);
    return jsonb_populate_record(new, changes || case tg_argv[2] when '' then '{}' else jsonb_build_object(tg_argv[2], false) end);
  end if;
  -- To jsonb may run a cast that belongs to the owner of a type, with the rights of whoever updates the row. The owner of the table
  -- has chosen that type, and could have any trigger run with the same rights.
  if tg_argv[0] = 'again' then
    before := to_jsonb(old);
    return jsonb_populate_record(new, jsonb_build_object(
      tg_argv[1], before -> tg_argv[1], tg_argv[3], before -> tg_argv[3], tg_argv[4], before -> tg_argv[4], tg_argv[5], before -> tg_argv[5]
    ));
  end if;
  after := to_jsonb(new);
  -- A row that row level security hides once it is deleted could not be written: its policies look at the new row, too.
  perform set_config('nightshift.show_deleted', 'on', true);
  -- Who is no user of the application may say another time, as an import does.
  deleted_at := case when actor is null then (after ->> tg_argv[1])::timestamptz end;
  -- What the id of an operation cannot say, no deletion had.
  if deleted_at is null or not deleted_at between '1970-01-01' and '9999-12-31' then
    deleted_at := statement_timestamp();
  end if;
  deleted_at := date_trunc('milliseconds', deleted_at);
  changes := jsonb_build_object(
    tg_argv[1], deleted_at,
    tg_argv[3], coalesce(actor, after ->> tg_argv[3], case when tg_nargs < 7 then current_user end),
    -- All rows that one statement deletes are of one operation, whose time is in its id.
    tg_argv[5], overlay(
      overlay(md5(pg_current_xact_id()::text || ' ' || statement_timestamp()::text) placing
        lpad(to_hex((extract(epoch from deleted_at) * 1000)::bigint), 12, '0') from 1 for 12)
      placing '7' from 13 for 1
    )::uuid
  );
  return jsonb_populate_record(new, changes || case tg_argv[2] when '' then '{}' else jsonb_build_object(tg_argv[2], true) end);
end;
$$;

comment on function nightshift.mark_deletion is
  'Trigger of tables with soft delete, for updates that do not come from soft_delete or restore. What the first deletion of a row wrote stays until it is restored.';

-- supabase/schema/soft-delete/operation_time.sql

create or replace function nightshift.operation_time(operation uuid)
returns timestamptz
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select timestamptz '1970-01-01 00:00:00+00'
    + ('x' || left(replace(operation::text, '-', ''), 12))::bit(48)::bigint * interval '1 millisecond';
$$;

comment on function nightshift.operation_time is 'When an operation began: the deleted_at of its rows. From its id alone, see start_operation.';

-- supabase/schema/soft-delete/override_assignments.sql

create or replace function nightshift.override_assignments(relation regclass, overrides jsonb, rows integer)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  wrong text;
begin
  if overrides is null then
    return '';
  end if;
  if jsonb_typeof(overrides) <> 'object' or rows <> 1 then
    raise exception using
      errcode = 'NS422',
      message = case when rows <> 1 then 'overrides are for a single row' else 'overrides must be an object of columns and values' end,
      hint = 'Pass one key, and for example overrides => ''{"sku": "A-17-old"}''.';
  end if;
  select k.name into wrong
  from jsonb_object_keys(overrides) k(name)
  where nightshift.column_type(relation, k.name::name) is null or length(k.name) > 63
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has no column %I', relation, wrong),
      hint = 'Nothing was restored.';
  end if;
  return (
    select string_agg(format(', %1$I = (pg_catalog.jsonb_populate_record(null::%2$s, $2)).%1$I', k.name, c.row_type), '')
    from jsonb_object_keys(overrides) k(name)
    cross join (
      select format('%I.%I', n.nspname, c.relname) as row_type
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = relation
    ) c
  );
end;
$$;

comment on function nightshift.override_assignments is
  'Assignments of the columns that a restored row gets anew, from the object $2; empty for none. Errors: NS422 several rows, or no such column.';

-- supabase/schema/soft-delete/plan_delete.sql

-- What soft_delete would do, found along the same foreign keys, and not done.
-- Rights: those of the caller, row level security included, so that what is shown is what would go.
-- Locks: FOR KEY SHARE on the rows, since what a user may change is a question that only a lock asks.

create or replace function nightshift.plan_delete(relation regclass, keys jsonb)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  tables regclass[] := array[relation];
  key_sets jsonb[] := array[asked_keys];
  via text[] := array[null];
  position integer := 1;
  rows_found record;
  going jsonb := '{}';
  new_keys jsonb;
  steps jsonb := '[]';
  restricted jsonb := '[]';
  answer jsonb;
  edge record;
  children jsonb;
  context text;
begin
  perform set_config('nightshift.show_deleted', 'on', true);
  while position <= cardinality(tables) loop
    if position > 1 then
      rules := nightshift.soft_delete_rules(tables[position]);
    end if;
    select f.* into rows_found from nightshift.find_rows(tables[position], key_sets[position], 'key share') f;
    if position = 1 then
      answer := jsonb_build_object(
        'alreadyDeleted', jsonb_array_length(rows_found.deleted),
        'notFound', rows_found.asked - jsonb_array_length(rows_found.active) - jsonb_array_length(rows_found.deleted)
      );
    end if;
    -- A row that goes by two foreign keys goes by the first, and a circle of rows has an end.
    new_keys := (
      select coalesce(jsonb_agg(n.key), '[]')
      from (
        select e as key from jsonb_array_elements(rows_found.active) e
        except
        select e from jsonb_array_elements(going -> rules.relation::text) e
      ) n
    );
    if new_keys <> '[]' then
      select restricted || coalesce(jsonb_agg(to_jsonb(r)), '[]') into restricted
      from (
        select r.referencing::text as referencing, r.constraint_name as "constraint", r.rows
        from nightshift.restricting_rows(tables[position], new_keys, going) r
      ) r;
      steps := steps || jsonb_build_object('relation', rules.relation::text, 'rows', jsonb_array_length(new_keys), 'via', via[position]);
      going := going || jsonb_build_object(rules.relation::text, coalesce(going -> rules.relation::text, '[]') || new_keys);
      for edge in select e.* from nightshift.edges_to_children(rules.relation) e loop
        execute edge.children into children using new_keys;
        if children is not null then
          tables := tables || edge.referencing;
          key_sets := key_sets || children;
          via := via || edge.constraint_name::text;
        end if;
      end loop;
    end if;
    position := position + 1;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  return answer || jsonb_build_object(
    'tables', (
      select coalesce(jsonb_agg(to_jsonb(t) - 'first' order by t.first), '[]')
      from (
        select s ->> 'relation' as relation, sum((s ->> 'rows')::bigint) as rows, s ->> 'via' as via, min(n) as first
        from jsonb_array_elements(steps) with ordinality e(s, n)
        group by 1, 3
      ) t
    ),
    'restricted', (
      select coalesce(jsonb_agg(to_jsonb(t) order by t.referencing, t."constraint"), '[]')
      from (
        select r ->> 'referencing' as referencing, r ->> 'constraint' as "constraint", sum((r ->> 'rows')::bigint) as rows
        from jsonb_array_elements(restricted) r
        group by 1, 2
      ) t
    ),
    'hash', nightshift.deletion_hash(asked_keys, steps)
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.plan_delete is
  'What soft_delete of these keys would delete, with nothing changed: {tables: [{relation, rows, via: the foreign key by which they go along, null for the rows themselves}], restricted: [{referencing, constraint, rows: 1,000 at most for each table}], what keeps it from being done, alreadyDeleted, notFound: not there, or not for this user, hash}. Pass hash to soft_delete as confirmed, and it is done only while it is still that. The rights are those of the caller, row level security included. Errors: NS403, NS404, NS422 as of soft_delete.';

-- supabase/schema/soft-delete/plan_restore.sql

-- What restore_operation would meet, before anybody waits for it in vain.
-- Rights: those of the caller, row level security included.
-- Locks: ACCESS SHARE. Nothing keeps what is found from changing until the restore.

create or replace function nightshift.plan_restore(operation uuid)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  most_conflicts constant integer := 1000;
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  stamp constant timestamptz := nightshift.operation_time(operation);
  relation regclass;
  rules nightshift.soft_delete_rules;
  page record;
  last_key jsonb;
  rows bigint;
  edge record;
  blocking jsonb;
  tables jsonb := '[]';
  conflicts jsonb := '[]';
  context text;
begin
  if operation is null then
    raise exception using errcode = 'NS422', message = 'operation must be given', hint = 'soft_delete returns it, and deletion_id of each row has it.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for relation in select t from nightshift.soft_delete_tables_of_operation(operation) t loop
    rules := nightshift.soft_delete_rules(relation);
    rows := 0;
    last_key := null;
    loop
      execute format($query$
        select jsonb_agg(n.key) as keys, count(*) as rows, (array_agg(n.key order by n.position desc))[1] as last_key
        from (
          select %1$s as key, row_number() over (order by %2$s) as position from %3$s r
          where %4$s %5$s
          order by %2$s limit 10000
        ) n
      $query$, rules.key_object, rules.key_order, rules.source, rules.of_operation,
        case when last_key is null then '' else format('and (%s) > (select %s from jsonb_to_recordset(jsonb_build_array($3)) as r(%s))',
          rules.key_order, rules.key_order, rules.key_definition) end)
      into page using stamp, operation, last_key;
      exit when page.rows = 0;
      rows := rows + page.rows;
      last_key := page.last_key;
      for edge in
        select 'unique' as kind, c.relname::text as "constraint", u.blocking
        from nightshift.unique_conflicts(relation) u join pg_catalog.pg_class c on c.oid = u.index_name
        union all
        select 'parent_deleted', p.constraint_name::text, p.blocking from nightshift.edges_to_parents(relation) p
      loop
        -- Once there are too many to show, only the rows are counted.
        exit when jsonb_array_length(conflicts) > most_conflicts;
        execute edge.blocking into blocking using page.keys, operation;
        conflicts := conflicts || coalesce((
          select jsonb_agg(jsonb_build_object('relation', relation::text, 'key', b.key, 'kind', edge.kind, 'constraint', edge."constraint",
            'blocking', b.blocking) order by b.key)
          from (
            select case when single then e -> 'key' -> rules.key_names[1] else e -> 'key' end as key,
              case when single then e -> 'blocking' -> rules.key_names[1] else e -> 'blocking' end as blocking
            from jsonb_array_elements(blocking) e
            cross join lateral (select edge.kind = 'unique' and cardinality(rules.key_names) = 1 as single) s
            limit most_conflicts + 1
          ) b
        ), '[]');
      end loop;
      exit when page.rows < 10000;
    end loop;
    if rows > 0 then
      tables := tables || jsonb_build_object('relation', relation::text, 'rows', rows);
    end if;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  if tables = '[]' then
    raise exception using
      errcode = 'NS404',
      message = format('Operation %s has no deleted rows, or none for %s', operation, current_user),
      hint = 'They were restored or purged already, or belong to tables that are not for users.';
  end if;
  return jsonb_build_object(
    'tables', tables,
    'conflicts', (select coalesce(jsonb_agg(c.e order by c.n), '[]') from jsonb_array_elements(conflicts) with ordinality c(e, n) where c.n <= most_conflicts),
    'moreConflicts', jsonb_array_length(conflicts) > most_conflicts
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.plan_restore is
  'What restore_operation would restore and what is in its way, with nothing changed: {tables: [{relation, rows}], conflicts: [{relation, key, kind: unique (an active row has taken its value) or parent_deleted (it belongs to a row that another operation deleted), constraint, blocking: the key of that row}], moreConflicts: whether there are more than the 1,000 shown}. Only the restore itself tells what a trigger or a unique index of an expression says. The rights are those of the caller, row level security included. Errors: NS404 no such rows, NS422.';

-- supabase/schema/soft-delete/put_active.sql

-- The upsert that the Data API cannot do: its ON CONFLICT names no partial index, and by primary key it would write to a deleted row,
-- where nobody sees what was written.
-- Rights: those of the caller, row level security included.
-- Locks: ROW EXCLUSIVE on the table, and FOR UPDATE on the row that is there.

create or replace function nightshift.put_active(
  relation regclass,
  row_values jsonb,
  conflict_columns text,
  on_deleted text default 'reject'
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  found_index record;
  row_type constant text := regexp_replace(rules.source, '^only ', '');
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  path_before constant text := current_setting('search_path');
  has_key constant boolean := row_values ?& rules.key_names::text[];
  columns text;
  new_values text;
  assignments text;
  wrong text;
  among text;
  existing record;
  edge record;
  parents jsonb;
  key jsonb;
  context text;
begin
  if on_deleted is null or on_deleted not in ('revive', 'create', 'reject') then
    raise exception using
      errcode = 'NS422',
      message = format('on_deleted cannot be %L', on_deleted),
      hint = 'Of a deleted row with these values, ''revive'' brings it back with the new ones, ''create'' leaves it deleted and adds another, ''reject'' refuses.';
  end if;
  select a.* into found_index from nightshift.active_arbiter(relation, conflict_columns) a;
  if row_values is null or jsonb_typeof(row_values) <> 'object' or not row_values ?& found_index.columns::text[] then
    raise exception using
      errcode = 'NS422',
      message = format('row_values must be an object with a value for %s', array_to_string(found_index.columns, ', ')),
      hint = 'Pass {"sku": "A-17", "price": 3}.';
  end if;
  select n into wrong from jsonb_object_keys(row_values) n
  where length(n) > 63 or nightshift.column_type(relation, n::name) is null or n = any(found_index.own_columns::text[])
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = case when wrong = any(found_index.own_columns::text[]) then format('%I is written by a deletion or a restore only', wrong)
        else format('%s has no column %I', relation, wrong) end,
      hint = 'Nothing was written.';
  end if;
  select string_agg(quote_ident(n), ', ' order by n), string_agg(format('v.%I', n), ', ' order by n),
    string_agg(format('%1$I = v.%1$I', n), ', ' order by n) filter (where n <> all(found_index.columns::text[] || rules.key_names::text[]))
  into columns, new_values, assignments
  from jsonb_object_keys(row_values) n;

  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', 'restore', true);
  -- Another session may add, delete or restore such a row between the steps: then the next round finds it.
  for round in 1..5 loop
    -- Active ones first, by themselves, since the index holds only these.
    foreach among in array array[format('not (%s)', rules.deleted), rules.deleted] loop
      execute format($query$
        select %1$s as key, %2$s as shown_key, %3$s as is_deleted, (%4$s) is true as same_values, (%5$s) is true as same_key
        from %6$s r, jsonb_populate_record(null::%7$s, $1) v, jsonb_to_recordset(jsonb_build_array($1)) as k(%8$s)
        where %9$s and (%4$s or %5$s)
        order by (%4$s) is true desc, %10$s desc nulls last
        limit 1 for update of r
      $query$, rules.key_object, rules.key_value, rules.deleted, found_index.same_values, rules.key_match,
        rules.source, row_type, rules.key_definition, among, rules.marker)
      into existing using row_values;
      exit when existing.key is not null;
    end loop;
    if existing.key is not null and not existing.is_deleted and (has_key and not existing.same_key or not existing.same_values) then
      raise exception using
        errcode = 'NS409',
        message = format('An active row of %s has %s, and another %s', relation,
          case when existing.same_values then 'these values' else 'this primary key' end,
          case when existing.same_values then 'primary key' else 'value' end),
        detail = 'Nothing was written.',
        hint = format('Leave out the primary key to write to the row with the same %s.', array_to_string(found_index.columns, ', '));
    end if;
    if existing.key is not null and existing.is_deleted and (on_deleted = 'reject' or on_deleted = 'create' and has_key and existing.same_key) then
      raise exception using
        errcode = 'NS409',
        message = format('A deleted row of %s has %s', relation, case when existing.same_values then 'these values' else 'this primary key' end),
        detail = format('Its primary key is %s. Nothing was written.', existing.shown_key),
        hint = 'on_deleted => ''revive'' brings it back with the new values; ''create'' adds another with another primary key.';
    end if;
    begin
      perform set_config('search_path', rules.trigger_path, true);
      if existing.key is null or existing.is_deleted and on_deleted = 'create' then
        execute format('insert into %1$s as r (%2$s) select %3$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) v on conflict %4$s do nothing returning %5$s',
          row_type, columns, new_values, found_index.arbiter, rules.key_value)
        into key using row_values;
      elsif existing.is_deleted then
        execute format('update %s r set %s%s from pg_catalog.jsonb_populate_record(null::%s, $1) v, pg_catalog.jsonb_to_recordset($2) k(%s) where %s and %s returning %s',
          rules.source, rules.unmark, coalesce(', ' || (
            select string_agg(format('%1$I = v.%1$I', n), ', ') from jsonb_object_keys(row_values) n where n <> all(rules.key_names::text[])
          ), ''), row_type, rules.key_definition, rules.key_match, rules.deleted, rules.key_value)
        into key using row_values, jsonb_build_array(existing.key);
      else
        execute format('update %s r set %s from pg_catalog.jsonb_populate_record(null::%s, $1) v, pg_catalog.jsonb_to_recordset($2) k(%s) where %s and not (%s) returning %s',
          rules.source, coalesce(assignments, format('%1$I = r.%1$I', found_index.columns[1])), row_type, rules.key_definition, rules.key_match,
          rules.deleted, rules.key_value)
        into key using row_values, jsonb_build_array(existing.key);
      end if;
    exception
      when unique_violation then
        if round = 5 then
          raise;
        end if;
    end;
    perform pg_catalog.set_config('search_path', path_before, true);
    exit when key is not null;
  end loop;
  if key is null then
    raise exception using
      errcode = 'NS409',
      message = format('A row of %s that %s may not change has these values', relation, current_user),
      hint = 'Row level security, or a trigger, keeps it from being written. Nothing was written.';
  end if;
  if existing.is_deleted and on_deleted = 'revive' then
    perform nightshift.hold_parents(relation, jsonb_build_array(existing.key));
    for edge in select e.* from nightshift.edges_to_parents(relation) e loop
      execute edge.deleted_parents into parents using jsonb_build_array(existing.key);
      if parents is not null then
        raise exception using
          errcode = 'NS409',
          message = format('It belongs to a row of %s that is deleted', edge.referenced),
          hint = 'Restore that one first: nightshift.restore.';
      end if;
    end loop;
  end if;
  perform set_config('nightshift.operation', operation_before, true);
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object(
    'action', case when existing.key is null or existing.is_deleted and on_deleted = 'create' then 'inserted'
      when existing.is_deleted then 'revived' else 'updated' end,
    'key', key
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.put_active is
  'Writes a row so that there is one active row with its values of conflict_columns, as in ''tenant_id, sku'', which must be unique among active rows: adds it, or updates the active one that has them. row_values: an object of columns and values; of a row that is there, others keep theirs. on_deleted says what becomes of a deleted row with these values or this primary key: reject (default) refuses, revive brings it back with the new values, create leaves it deleted and adds another. The rights are those of the caller, row level security included. Returns {action: inserted, updated or revived, key}. Errors, nothing written: NS409 such a deleted row, an active row with another primary key, a row that the caller may not change, or a deleted row that it belongs to; NS403, NS404, NS422; and what constraints and triggers say.';

-- supabase/schema/soft-delete/record_deletions.sql

-- The history of deletions and restores, also of those by a plain update. It is written here and nowhere else, so nobody can make it up.
-- Arguments of the trigger: the columns marker, flag (or ''), by, reason, operation.

create or replace function nightshift.record_deletions()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  deleted constant text := case tg_argv[1] when '' then format('r.%I is not null', tg_argv[0]) else format('r.%I is true', tg_argv[1]) end;
  rules nightshift.soft_delete_rules;
  any_deleted boolean;
  any_before boolean;
begin
  if current_setting('nightshift.operation', true) is distinct from 'restore' then
    perform set_config('nightshift.show_deleted', case when current_setting('nightshift.operation', true) <> '' then 'on' else '' end, true);
  end if;
  execute format('select exists (select from after r where %1$s), exists (select from before r where %1$s)', deleted)
  into any_deleted, any_before;
  if not (any_deleted or any_before)
    -- A trigger that was copied to a table that nobody enabled is no reason to refuse its updates.
    or not exists (select from nightshift.soft_delete_tables t where t.relation = tg_relid)
  then
    return null;
  end if;
  rules := nightshift.soft_delete_rules(tg_relid, false);
  if any_deleted then
    execute format($query$
      insert into nightshift.deletion_events (operation, action, relation_name, rows, keys, actor, reason)
      select d.operation, 'delete', $1, count(*), jsonb_agg(d.key), max(d.actor), max(d.reason)
      from (
        select r.%1$I as operation, %2$s as key, r.%3$I::text as actor, r.%4$I as reason,
          (row_number() over (partition by r.%1$I) - 1) / 10000 as part
        from after r
        where %5$s and r.%1$I is not null
          and r.%1$I not in (select b.%1$I from before b where b.%1$I is not null)
      ) d
      group by d.operation, d.part
      order by d.operation, d.part
    $query$, tg_argv[4], rules.key_value, tg_argv[2], tg_argv[3], deleted) using tg_relid::regclass::text;
  end if;
  if any_before then
    execute format($query$
      insert into nightshift.deletion_events (operation, action, relation_name, rows, keys, actor, reason)
      select d.operation, 'restore', $1, count(*), jsonb_agg(d.key), $2, $3
      from (
        select r.%1$I as operation, %2$s as key, (row_number() over (partition by r.%1$I) - 1) / 10000 as part
        from before r
        join (select %3$s from after r where not (%4$s)) k on %5$s
        where %4$s
      ) d
      group by d.operation, d.part
      order by d.operation, d.part
    $query$, tg_argv[4], rules.key_value, rules.key_order, deleted, rules.key_match)
    using tg_relid::regclass::text,
      coalesce(nullif(current_setting('nightshift.actor', true), ''), nightshift.calling_user(),
        nullif(current_setting('role'), 'none'), session_user),
      nullif(current_setting('nightshift.reason', true), '');
  end if;
  return null;
end;
$$;

comment on function nightshift.record_deletions is
  'Trigger of tables with soft delete: writes nightshift.deletion_events, for each statement and operation a row of 10,000 keys at most.';

-- supabase/schema/soft-delete/record_failed_restores.sql

create or replace function nightshift.record_failed_restores(relation regclass, actor text, reason text, failed jsonb)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
  -- Whoever may restore may execute this. Only from within a restore is that setting there: over the API nobody can make it.
  if jsonb_array_length(failed) = 0 or coalesce(current_setting('nightshift.operation', true), '') <> 'restore' then
    return;
  end if;
  insert into nightshift.deletion_events (action, relation_name, rows, keys, actor, reason, details)
  select 'restore_failed', relation::text, jsonb_array_length(failed),
    (select jsonb_agg(f -> 'key') from jsonb_array_elements(failed) f), actor, reason, jsonb_agg(
      jsonb_build_object('code', g.code, 'constraint', g.violated, 'raisedIn', g.place, 'rows', g.n)
      order by g.n desc, g.code, g.violated, g.place
    )
  from (
    select f ->> 'code', f ->> 'constraint', f ->> 'raisedIn', count(*) from jsonb_array_elements(failed) f group by 1, 2, 3
  ) g(code, violated, place, n);
end;
$$;

comment on function nightshift.record_failed_restores is
  'Records what restore reports of rows that could not come back. It does nothing when called by itself.';

-- supabase/schema/soft-delete/record_purge.sql

create or replace function nightshift.record_purge(run_id uuid, before jsonb, after jsonb)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into nightshift.deletion_events (operation, action, relation_name, rows, actor)
  select record_purge.run_id, 'purge', t.relation::text, sum(c.rows), 'retention-purge'
  from nightshift.soft_delete_tables t
  join (
    select s.name, sign * n.rows as rows, n.relation_name
    from (values ('before', -1, record_purge.before), ('after', 1, record_purge.after)) s(name, sign, steps)
    cross join lateral jsonb_each(coalesce(s.steps, '{}')) e
    cross join lateral (
      select e.key, (e.value ->> 'rowsPurged')::bigint
      union all
      select c.key, c.value::bigint from jsonb_each_text(coalesce(e.value -> 'children', '{}')) c
    ) n(relation_name, rows)
  ) c on c.relation_name = t.relation::text
  group by t.relation
  having sum(c.rows) > 0
  order by t.relation::text;
$$;

comment on function nightshift.record_purge is
  'Records how many rows of tables with soft delete a batch has purged: the difference of two states of progress.steps. Without their keys, so that what was to be forgotten is.';

-- supabase/schema/soft-delete/references_condition.sql

create or replace function nightshift.references_condition(key oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('p.%I%s %s r.%I%s', pa.attname, o.cast_left, o.name, ra.attname, o.cast_right), ' and ' order by u.position)
  from pg_catalog.pg_constraint c
  cross join lateral unnest(c.confkey, c.conkey, c.conpfeqop) with ordinality u(referenced, referencing, operator, position)
  join pg_catalog.pg_attribute pa on pa.attrelid = c.confrelid and pa.attnum = u.referenced
  join pg_catalog.pg_attribute ra on ra.attrelid = c.conrelid and ra.attnum = u.referencing
  cross join lateral nightshift.trusted_operator(u.operator) o
  where c.oid = references_condition.key;
$$;

comment on function nightshift.references_condition is
  'The SQL condition under which a row r refers to a row p by a foreign key, with the operators of the key. Errors: see trusted_operator.';

-- supabase/schema/soft-delete/require_unrestricted.sql

-- ON DELETE RESTRICT was written by someone who meant it, so it counts for a soft delete too; what no key says is not implied.

create or replace function nightshift.require_unrestricted(relation regclass, keys jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  blocking record;
  context text;
begin
  select r.* into blocking from nightshift.restricting_rows(relation, keys, '{}') r limit 1;
  if found then
    raise exception using
      errcode = 'NS409',
      message = format('%s %s of %s refer to these rows of %s', case when blocking.rows >= 1000 then '1,000 or more' else blocking.rows::text end,
        case blocking.rows when 1 then 'row' else 'rows' end, blocking.referencing, relation),
      detail = format('The foreign key %I says ON DELETE RESTRICT. Nothing was deleted.', blocking.constraint_name),
      constraint = blocking.constraint_name,
      hint = format('Delete those first, or let them go along: select nightshift.enable_soft_delete(%L, cascade => array[%L]);',
        relation::text, blocking.referencing::text);
  end if;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.require_unrestricted is
  'Raises NS409 when rows of another table, deleted ones not counted, refer to rows with these keys by a foreign key with ON DELETE RESTRICT along which the deletion does not go on.';

-- supabase/schema/soft-delete/restore.sql

-- Bringing rows back: many at a time, and where one cannot come back, the others do, or none, or what is in its way gives way.
-- Why: one row whose unique value was taken meanwhile must not keep a thousand others from coming back, and a restore that
--      failed is a user who is waiting.
-- Rights: those of the caller, row level security included.
-- Locks: ROW EXCLUSIVE on the table and row locks on what is restored.

create or replace function nightshift.restore(
  relation regclass,
  keys jsonb,
  on_conflict text default 'skip',
  restored_by text default null,
  reason text default null,
  overrides jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  actor constant text := nightshift.deletion_actor(restored_by);
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  changes constant text := nightshift.override_assignments(relation, overrides, jsonb_array_length(keys));
  path_before constant text := current_setting('search_path');
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  actor_before constant text := coalesce(current_setting('nightshift.actor', true), '');
  reason_before constant text := coalesce(current_setting('nightshift.reason', true), '');
  rows_found record;
  one jsonb;
  row_found record;
  locked integer;
  active integer;
  portions jsonb[];
  portion jsonb;
  position integer := 1;
  half integer;
  edge record;
  parents jsonb;
  blocking jsonb;
  answer jsonb;
  changed bigint;
  restored bigint := 0;
  restored_parents bigint := 0;
  replaced bigint := 0;
  failed jsonb := '[]';
  state text;
  violated text;
  said text;
  context text;
begin
  if on_conflict is null or on_conflict not in ('skip', 'fail', 'restore_parents', 'replace') then
    raise exception using
      errcode = 'NS422',
      message = format('on_conflict cannot be %L', on_conflict),
      hint = '''skip'' leaves and reports rows that cannot come back, ''fail'' then restores none, ''restore_parents'' restores what they belong to as well, ''replace'' deletes the active row that has taken their unique value.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', 'restore', true);
  perform set_config('nightshift.actor', actor, true);
  perform set_config('nightshift.reason', coalesce(reason, ''), true);
  begin
    -- In the order in which soft_delete locks: what is referred to first.
    perform nightshift.hold_parents(relation, asked_keys);
    select f.* into rows_found from nightshift.find_rows(relation, asked_keys, 'update') f;
  exception
    when lock_not_available then
      if on_conflict = 'fail' then
        raise;
      end if;
      -- Whoever is in the way of one row keeps no other from coming back.
      select f.* into rows_found from nightshift.find_rows(relation, asked_keys, 'update skip locked') f;
      for one in
        select k.value from jsonb_array_elements(asked_keys) k
        except select f.value from jsonb_array_elements(rows_found.active || rows_found.deleted) f
        order by value
      loop
        begin
          select f.* into row_found from nightshift.find_rows(relation, jsonb_build_array(one), 'update nowait') f;
          -- Free by now, or there already, under a key that was written in another way.
          if not rows_found.deleted @> row_found.deleted then
            rows_found.deleted := rows_found.deleted || row_found.deleted;
          end if;
          if not rows_found.active @> row_found.active then
            rows_found.active := rows_found.active || row_found.active;
          end if;
        exception
          when lock_not_available then
            failed := failed || jsonb_build_object(
              'key', case cardinality(rules.key_names) when 1 then one -> rules.key_names[1] else one end,
              'code', '55P03', 'constraint', null, 'raisedIn', null, 'message', 'Another session keeps it locked');
        end;
      end loop;
  end;
  portions := array[rows_found.deleted];
  active := jsonb_array_length(rows_found.active);
  locked := jsonb_array_length(failed);
  if jsonb_array_length(keys) = 1 and jsonb_array_length(portions[1]) = 0 and failed = '[]' then
    raise exception using
      errcode = case active when 1 then 'NS409' else 'NS404' end,
      message = case active when 1 then format('The row of %s is not deleted', relation)
        else format('There is no such row in %s, or not for %s', relation, current_user) end,
      hint = case active when 1 then 'There is nothing to restore.'
        else 'It may have been purged, or row level security keeps it from this user.' end;
  end if;
  -- A conflict that shows only at the commit would undo all the others with it.
  set constraints all immediate;

  while position <= cardinality(portions) loop
    portion := portions[position];
    position := position + 1;
    continue when jsonb_array_length(portion) = 0;
    begin
      for edge in select e.* from nightshift.edges_to_parents(relation) e where on_conflict = 'restore_parents' loop
        loop
          execute edge.deleted_parents into parents using portion;
          exit when parents is null or edge.referenced = relation and portion @> parents;
          if edge.referenced <> relation then
            answer := nightshift.restore(edge.referenced, parents, 'restore_parents', restored_by, reason);
            restored_parents := restored_parents + (answer ->> 'restored')::bigint + (answer ->> 'parents')::bigint;
            exit;
          end if;
          -- Of a table that refers to itself, all come back in one statement: there may be a circle of them.
          portion := (select jsonb_agg(distinct e) from jsonb_array_elements(portion || parents) e);
        end loop;
      end loop;
      for edge in select u.* from nightshift.unique_conflicts(relation) u where on_conflict = 'replace' loop
        execute edge.blocking into blocking using portion;
        if blocking is not null then
          replaced := replaced + (nightshift.soft_delete(
            relation, (select jsonb_agg(distinct b -> 'blocking') from jsonb_array_elements(blocking) b), restored_by, 'Replaced by a restore'
          ) ->> 'deleted')::bigint;
        end if;
      end loop;

      -- Triggers of the application were written for the application's own search path, not for ours.
      perform set_config('search_path', rules.trigger_path, true);
      -- By their keys: the index of deleted rows, which looks small until the table is analyzed, would be read as a whole for each
      -- of them, and coalesce keeps it from being considered.
      execute format($query$
        with updated as (
          update %1$s r set %2$s%3$s from pg_catalog.jsonb_to_recordset($1) as k(%4$s) where %5$s and coalesce(%6$s, false) returning %6$s as kept
        )
        select pg_catalog.count(*) filter (where not u.kept) from updated u
      $query$, rules.source, rules.unmark, changes, rules.key_definition, rules.key_match, rules.deleted)
      into changed using portion, overrides;
      perform pg_catalog.set_config('search_path', path_before, true);
      if changed < jsonb_array_length(portion) then
        raise exception using errcode = 'NS422', message = 'A trigger kept the row deleted';
      end if;
      for edge in select e.* from nightshift.edges_to_parents(relation) e loop
        execute edge.deleted_parents into parents using portion;
        if parents is not null then
          raise exception using errcode = 'NS409', message = format('It belongs to a row of %s that is deleted', edge.referenced);
        end if;
      end loop;
      restored := restored + jsonb_array_length(portions[position - 1]);
      restored_parents := restored_parents + changed - jsonb_array_length(portions[position - 1]);
    exception
      -- A trigger may raise any code there is. Each is counted and reported, and none is passed over in silence.
      when others then
        get stacked diagnostics state = returned_sqlstate, violated = constraint_name, said = message_text, context = pg_exception_context;
        -- The server is in trouble, or another session in the way, not the row.
        if state ~ '^(40|53|54|57|58|XX)' then
          raise;
        end if;
        if on_conflict <> 'fail' and jsonb_array_length(portion) > 1 then
          half := jsonb_array_length(portion) / 2;
          portions := portions
            || (select jsonb_agg(e order by n) from jsonb_array_elements(portion) with ordinality p(e, n) where n <= half)
            || (select jsonb_agg(e order by n) from jsonb_array_elements(portion) with ordinality p(e, n) where n > half);
        elsif on_conflict = 'fail' then
          raise exception using
            errcode = 'NS409',
            message = format('The rows of %s cannot come back: %s', relation, case when state like 'NS%' then said else state end),
            constraint = violated,
            detail = concat_ws(' ', 'Constraint ' || nullif(violated, '') || '.', 'Raised in ' || nightshift.place_in_code(context) || '.', 'Nothing was restored.'),
            hint = 'nightshift.plan_restore shows what is in the way. on_conflict says what becomes of it: skip, restore_parents or replace; overrides gives the row other values.';
        else
          failed := failed || jsonb_build_object(
            'key', case cardinality(rules.key_names) when 1 then portion -> 0 -> rules.key_names[1] else portion -> 0 end,
            'code', state, 'constraint', nullif(violated, ''), 'raisedIn', nightshift.place_in_code(context),
            'message', case when state like 'NS%' then said end);
        end if;
    end;
  end loop;
  perform nightshift.record_failed_restores(relation, actor, reason, failed);
  perform set_config('nightshift.actor', actor_before, true);
  perform set_config('nightshift.reason', reason_before, true);
  perform set_config('nightshift.operation', operation_before, true);
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object(
    'restored', restored, 'notDeleted', active, 'notFound', rows_found.asked - active - locked - jsonb_array_length(rows_found.deleted), 'failed', failed,
    'parents', restored_parents, 'replaced', replaced
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore is
  'Takes the mark of deletion off the rows with these primary keys: keys as in soft_delete, 10,000 at most. Rows that went with them come back by restore_operation. The rights are those of the caller, row level security included. A row cannot come back when an active one has taken its unique value, when it belongs to a deleted row (a foreign key that deletions go along), or when a trigger or constraint says no. on_conflict: skip (default) leaves such rows deleted, reports and records them; fail then restores none, and raises NS409; restore_parents restores what they belong to; replace deletes the active row that is in the way. overrides: an object of columns and values that a single row gets with it. restored_by: for service_role; of a user it is always the user of the request. Returns {restored, notDeleted, notFound, failed: [{key, code: the SQLSTATE, constraint, raisedIn: line and function of a trigger, message: in words, where Nightshift knows}]; 55P03: another session had it locked for a second, parents, replaced}. For a single key: NS409 it is not deleted, NS404 it is not there. Makes deferred constraints immediate for the rest of the transaction. Other errors, nothing restored: NS403, NS404, NS422.';

-- supabase/schema/soft-delete/restore_operation.sql

create or replace function nightshift.restore_operation(
  operation uuid,
  on_conflict text default 'skip',
  restored_by text default null,
  reason text default null,
  max_rows integer default 10000,
  after jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  left_rows integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  answer jsonb := jsonb_build_object('restored', '{}'::jsonb, 'failed', '[]'::jsonb, 'parents', 0, 'replaced', 0, 'after', null);
  relation regclass;
  rules nightshift.soft_delete_rules;
  keys jsonb;
  last_key jsonb;
  found_rows integer;
  part jsonb;
  passed boolean := after is null;
  any_table boolean := false;
  context text;
begin
  if operation is null then
    raise exception using errcode = 'NS422', message = 'operation must be given', hint = 'soft_delete returns it, and deletion_id of each row has it.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  for relation in select t from nightshift.soft_delete_tables_of_operation(operation) t loop
    any_table := true;
    -- A table that has come to its end may be gone from the list: then the rest follows the one that is named.
    continue when not passed and after ->> 'relation' <> relation::text;
    rules := nightshift.soft_delete_rules(relation);
    execute format($query$
      select jsonb_agg(n.key), count(*), (array_agg(n.key order by n.position desc))[1]
      from (
        select %1$s as key, row_number() over (order by %2$s) as position from %3$s r
        where %4$s %5$s
        order by %2$s limit $3
      ) n
    $query$, rules.key_object, rules.key_order, rules.source, rules.of_operation,
      case when passed then '' else format('and (%s) > (select %s from jsonb_to_recordset(jsonb_build_array($4)) as r(%s))',
        rules.key_order, rules.key_order, rules.key_definition) end)
    into keys, found_rows, last_key using nightshift.operation_time(operation), operation, left_rows, after -> 'key';
    passed := true;
    if found_rows > 0 then
      part := nightshift.restore(relation, keys, on_conflict, restored_by, reason);
      perform set_config('nightshift.show_deleted', 'on', true);
      answer := answer || jsonb_build_object(
        'restored', answer -> 'restored' || jsonb_build_object(relation::text, part -> 'restored'),
        'failed', answer -> 'failed' || coalesce((
          select jsonb_agg(jsonb_build_object('relation', relation::text) || f) from jsonb_array_elements(part -> 'failed') f
        ), '[]'),
        'parents', (answer ->> 'parents')::bigint + (part ->> 'parents')::bigint,
        'replaced', (answer ->> 'replaced')::bigint + (part ->> 'replaced')::bigint
      );
      left_rows := left_rows - found_rows;
    end if;
    if left_rows <= 0 then
      answer := answer || jsonb_build_object('after', jsonb_build_object('relation', relation::text, 'key', last_key));
      exit;
    end if;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  if not any_table and after is null then
    raise exception using
      errcode = 'NS404',
      message = format('Operation %s has no deleted rows', operation),
      hint = 'They were restored or purged already, or belong to tables that are not for users.';
  end if;
  return answer;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_operation is
  'Restores exactly the rows that an operation deleted and that are deleted still, with those that went along by cascade, and none that were deleted before or since: max_rows a call (default and most 10,000). on_conflict, restored_by, reason and rights as in nightshift.restore. Returns {restored: {table: rows}, failed: as in restore, with relation, parents, replaced, after}: where after is not null there are more, and it is to be passed to the next call. Errors, nothing restored: NS404 no such rows, and those of restore.';

-- supabase/schema/soft-delete/restore_since.sql

create or replace function nightshift.restore_since(
  relation regclass,
  since timestamptz,
  on_conflict text default 'skip',
  restored_by text default null,
  reason text default null,
  max_rows integer default 10000,
  after jsonb default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  most_rows constant integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  walk_order constant text := format('%s, %s', rules.marker, rules.key_order);
  page record;
  part jsonb;
  context text;
begin
  if since is null then
    raise exception using errcode = 'NS422', message = 'since must be given', hint = 'Pass the moment from which on deletions are to be undone, for example now() - interval ''1 hour''.';
  end if;
  perform set_config('nightshift.show_deleted', 'on', true);
  -- In the order of the index of deleted rows; the last row of a page, as far as that order needs it, is where the next begins.
  execute format($query$
    select jsonb_agg(n.key) as keys, count(*) as rows, (array_agg(n.place order by n.position desc))[1] as place
    from (
      select %1$s as key, %1$s || jsonb_build_object(%2$L, %3$s) as place, row_number() over (order by %4$s) as position
      from %5$s r
      where %6$s %7$s
      order by %4$s limit $2
    ) n
  $query$, rules.key_object, (parse_ident(substr(rules.marker, 3)))[1], rules.marker, walk_order, rules.source, rules.since,
    case when after is null then ''
      else format('and (%1$s) > (select %1$s from jsonb_populate_record(null::%2$s, $3) r)', walk_order, regexp_replace(rules.source, '^only ', '')) end)
  into page using since, most_rows, after;
  if page.rows > 0 then
    part := nightshift.restore(relation, page.keys, on_conflict, restored_by, reason);
  end if;
  perform set_config('nightshift.show_deleted', shown_before, true);
  return jsonb_build_object(
    'restored', coalesce(part -> 'restored', '0'), 'failed', coalesce(part -> 'failed', '[]'), 'parents', coalesce(part -> 'parents', '0'),
    'replaced', coalesce(part -> 'replaced', '0'), 'after', case when page.rows = most_rows then page.place end
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restore_since is
  'Restores the rows of a table that were deleted at a moment or later, whoever deleted them, max_rows a call (default and most 10,000), the earliest first. Rows of other tables that went along with them come back by a call for each of those tables, after this one. on_conflict, restored_by and reason as in nightshift.restore. Returns {restored, failed: as in restore, parents, replaced, after}: where after is not null there may be more, and it is to be passed to the next call. No row is no error. Errors, nothing restored: NS404 soft delete is not enabled, NS422, and those of restore.';

-- supabase/schema/soft-delete/restricting_keys.sql

create or replace function nightshift.restricting_keys(
  relation regclass, out referencing regclass, out constraint_name name, out count_query text
)
returns setof record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  parent nightshift.soft_delete_rules;
  referencing_rules nightshift.soft_delete_rules;
  key record;
begin
  for key in
    select c.oid, c.conrelid::regclass as referencing, c.conname, exists (
      select from nightshift.soft_delete_tables t where t.relation = c.conrelid
    ) as has_rules
    from pg_catalog.pg_constraint c
    where c.confrelid = restricting_keys.relation and c.contype = 'f' and c.confdeltype = 'r' and c.conparentid = 0
      and not exists (
        select from nightshift.soft_delete_cascades s
        where s.relation = c.confrelid and s.referencing = c.conrelid and s.constraint_name = c.conname
      )
    order by c.conrelid::regclass::text, c.conname
  loop
    parent := coalesce(parent, nightshift.soft_delete_rules(restricting_keys.relation));
    referencing := key.referencing;
    constraint_name := key.conname;
    referencing_rules := case when key.has_rules then nightshift.soft_delete_rules(key.referencing, false) end;
    count_query := format(
      'select count(*) from (select from (select r.* from jsonb_to_recordset($1) as k(%s) join %s r on %s) p join %s r on %s%s limit 1000) n',
      parent.key_definition, nightshift.scan_of(relation), parent.key_match, nightshift.scan_of(key.referencing),
      nightshift.references_condition(key.oid),
      case when key.has_rules then format(' where not (%s) and %s not in (select jsonb_array_elements($2))', referencing_rules.deleted, referencing_rules.key_object)
        else ' where $2 is not null' end);
    return next;
  end loop;
end;
$$;

comment on function nightshift.restricting_keys is
  'The foreign keys with ON DELETE RESTRICT that refer to a table and along which its deletions do not go on, each with a query for how many rows refer to the rows with the keys $1, 1,000 at most, those with the keys $2 not counted. Errors: NS422 a table of someone else.';

-- supabase/schema/soft-delete/restricting_rows.sql

create or replace function nightshift.restricting_rows(
  relation regclass, keys jsonb, going jsonb, out referencing regclass, out constraint_name name, out rows bigint
)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  key record;
  context text;
begin
  for key in select r.* from nightshift.restricting_keys(restricting_rows.relation) r loop
    execute key.count_query into rows using keys, coalesce(going -> key.referencing::text, '[]');
    if rows > 0 then
      referencing := key.referencing;
      constraint_name := key.constraint_name;
      return next;
    end if;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.restricting_rows is
  'How many rows, 1,000 at most for each foreign key, hold rows with these keys by ON DELETE RESTRICT: see restricting_keys. going: the keys of rows that go with them, by table. It sees all rows, as the check of a foreign key does: what the caller cannot see holds a row just the same.';

-- supabase/schema/soft-delete/settle_users.sql

create or replace function nightshift.settle_users()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- What users call, and what that executes with their rights.
  functions constant text := 'nightshift.soft_delete, nightshift.soft_delete_where, nightshift.plan_delete, nightshift.plan_restore, nightshift.restore, nightshift.restore_operation, '
    || 'nightshift.find_rows, nightshift.deletion_hash, nightshift.restricting_rows, nightshift.condition_in_sql, nightshift.put_active, nightshift.active_arbiter, nightshift.deleted_since, nightshift.deletions_since, '
    || 'nightshift.soft_delete_rules, nightshift.keys_asked, nightshift.deletion_actor, nightshift.deletion_operation, '
    || 'nightshift.start_operation, nightshift.operation_time, nightshift.calling_user, nightshift.edges_to_children, '
    || 'nightshift.edges_to_parents, nightshift.hold_parents, nightshift.require_unrestricted, nightshift.unique_conflicts, '
    || 'nightshift.override_assignments, nightshift.record_failed_restores, nightshift.raise_conflict, '
    || 'nightshift.place_in_code, nightshift.code_in_context, nightshift.column_type, nightshift.soft_delete_tables_of_operation';
begin
  if to_regrole('authenticated') is null then
    return;
  end if;
  if exists (select from nightshift.soft_delete_tables t where t.for_users) then
    execute 'grant usage on schema nightshift to authenticated';
    execute format('grant execute on function %s to authenticated', functions);
  else
    execute format('revoke execute on function %s from authenticated', functions);
    execute 'revoke usage on schema nightshift from authenticated';
  end if;
end;
$$;

comment on function nightshift.settle_users is
  'Lets authenticated call soft_delete and restore, where a table is enabled for users, and nothing where none is.';

-- supabase/schema/soft-delete/soft_delete.sql

-- Deleting rows so that they can come back: the rows are marked, and what is deleted with them by cascade carries the same operation.
-- Why: whoever deletes wants back exactly what that deletion took, and no more.
-- Rights: those of the caller, row level security included. Who deleted is the user of the request, whatever else is said.
-- Locks: ROW EXCLUSIVE on the tables, and FOR UPDATE on the rows, so that nobody adds a row that refers to one meanwhile.

create or replace function nightshift.soft_delete(
  relation regclass,
  keys jsonb,
  deleted_by text default null,
  reason text default null,
  operation uuid default null,
  confirmed text default null
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  actor constant text := nightshift.deletion_actor(deleted_by);
  operation_id constant uuid := nightshift.deletion_operation(operation);
  stamp constant timestamptz := nightshift.operation_time(operation_id);
  shown_before constant text := coalesce(current_setting('nightshift.show_deleted', true), '');
  operation_before constant text := coalesce(current_setting('nightshift.operation', true), '');
  path_before constant text := current_setting('search_path');
  tables regclass[] := array[relation];
  asked_keys constant jsonb := nightshift.keys_asked(relation, rules.key_names, keys);
  key_sets jsonb[] := array[asked_keys];
  position integer := 1;
  via text[] := array[null];
  rows_found record;
  active jsonb;
  steps jsonb := '[]';
  changed bigint;
  deleted bigint := 0;
  already_deleted integer;
  repeated integer := 0;
  not_found integer;
  cascaded jsonb := '{}';
  edge record;
  children jsonb;
  context text;
begin
  perform set_config('nightshift.show_deleted', 'on', true);
  perform set_config('nightshift.operation', operation_id::text, true);
  while position <= cardinality(tables) loop
    if position > 1 then
      rules := nightshift.soft_delete_rules(tables[position]);
    end if;
    select f.* into rows_found from nightshift.find_rows(tables[position], key_sets[position], 'update', as_given => true) f;
    active := rows_found.active;
    -- A caller who lost the answer and repeats the call learns that the rows were deleted by it, and not by others.
    if position = 1 and operation is not null and rows_found.deleted <> '[]' then
      execute format('select count(*) from (select distinct * from jsonb_to_recordset($3) as k(%s)) k join %s r on %s where %s',
        rules.key_definition, rules.source, rules.key_match, rules.of_operation)
      into repeated using stamp, operation_id, key_sets[1];
    end if;
    perform nightshift.require_unrestricted(tables[position], active);

    -- Triggers of the application were written for the application's own search path.
    perform set_config('search_path', rules.trigger_path, true);
    -- By their keys alone, since they are locked and active: an index of active rows that was empty when the table was analyzed
    -- looks like a way to each of them, and all of it would be read each time.
    execute format($query$
      with updated as (
        update %1$s r set %2$s from pg_catalog.jsonb_to_recordset($1) as k(%3$s) where %4$s returning %5$s as gone
      )
      select pg_catalog.count(*) from updated u where u.gone
    $query$, rules.source, rules.mark, rules.key_definition, rules.key_match, rules.deleted)
    into changed using active, stamp, actor, reason, operation_id;
    perform pg_catalog.set_config('search_path', path_before, true);
    -- What belongs to a row that a trigger of the application keeps stays with it.
    if changed < jsonb_array_length(active) then
      select f.deleted into active from nightshift.find_rows(tables[position], active, 'update') f;
    end if;

    if position = 1 then
      deleted := changed;
      already_deleted := jsonb_array_length(rows_found.deleted);
      not_found := rows_found.asked - already_deleted - jsonb_array_length(rows_found.active);
    elsif changed > 0 then
      cascaded := cascaded || jsonb_build_object(
        rules.relation::text, coalesce((cascaded ->> rules.relation::text)::bigint, 0) + changed
      );
    end if;
    steps := steps || jsonb_build_object('relation', rules.relation::text, 'rows', changed, 'via', via[position]);
    for edge in select e.* from nightshift.edges_to_children(rules.relation) e where changed > 0 loop
      execute edge.children into children using active;
      if children is not null then
        tables := tables || edge.referencing;
        key_sets := key_sets || children;
        via := via || edge.constraint_name::text;
      end if;
    end loop;
    position := position + 1;
  end loop;
  perform set_config('nightshift.show_deleted', shown_before, true);
  perform set_config('nightshift.operation', operation_before, true);

  if jsonb_array_length(keys) = 1 and deleted + repeated = 0 then
    raise exception using
      errcode = case not_found when 1 then 'NS404' else 'NS409' end,
      message = case when not_found = 1 then format('There is no such row in %s, or not for %s', relation, current_user)
        when already_deleted = 1 then format('The row of %s is deleted already', relation)
        else format('A trigger of %s kept the row from being deleted', relation) end,
      hint = case when not_found = 1 then 'Row level security says which rows a user may see and change.'
        when already_deleted = 1 then 'It keeps the time, the user and the reason of its first deletion. To bring it back: nightshift.restore.'
        else 'Its triggers for updates say when it may go: one of them returned null, or took the mark off.' end;
  end if;
  if confirmed is not null and repeated = 0 and confirmed <> nightshift.deletion_hash(asked_keys, steps) then
    raise exception using
      errcode = 'NS409',
      message = 'What would be deleted is no longer what was confirmed',
      detail = 'Nothing was deleted.',
      hint = 'Show what would be deleted now, and pass its hash: nightshift.plan_delete.';
  end if;
  return jsonb_build_object(
    'operation', operation_id,
    'deletedAt', stamp,
    'deleted', deleted,
    'alreadyDeleted', already_deleted,
    'repeated', repeated,
    'notFound', not_found,
    'cascaded', cascaded
  );
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete is
  'Marks the rows with these primary keys as deleted: keys is an array of values, or of objects where the key has several columns, 10,000 at most. Rows of tables that enable_soft_delete was told to cascade to go with the row that they refer to, in the same transaction and operation. The rights are those of the caller, row level security included. deleted_by: who deletes, for service_role; of a user it is always the user of the request. operation: goes on with an operation of the last day, so that restore_operation brings all of it back. confirmed: the hash of plan_delete; when other rows would go by now, nothing is deleted. A row that is deleted already keeps its first time, user and reason. A row that a trigger of the application keeps is not counted, and nothing goes along with it. Returns {operation, deletedAt, deleted, alreadyDeleted, repeated: how many of these an earlier call of the same operation deleted, notFound: not there, or not for this user, cascaded: {table: rows}}. For a single key that its operation did not delete: NS409 it is already, or a trigger keeps it, NS404 it is not there. Other errors, nothing changed: NS403 not in the name of another, or not for users; NS404 soft delete is not enabled; NS409 a row of another table refers to it with ON DELETE RESTRICT, or it is not what was confirmed; NS422.';

-- supabase/schema/soft-delete/soft_delete_advice.sql

create or replace function nightshift.soft_delete_advice(settings nightshift.soft_delete_tables)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object('statement', a.statement, 'why', a.why, 'lock', a.lock) order by a.position, a.statement), '[]')
  from (
    select 1, format('revoke %s on %s from %s;', string_agg(distinct lower(g.privilege_type), ', '), settings.relation,
        string_agg(distinct quote_ident(r.rolname), ', ')),
      'They can delete its rows for good.', 'ACCESS EXCLUSIVE for a moment'
    from pg_catalog.pg_class c
    cross join lateral aclexplode(c.relacl) g
    join pg_catalog.pg_roles r on r.oid = g.grantee and r.oid in (select nightshift.api_roles())
    where c.oid = settings.relation and g.privilege_type in ('DELETE', 'TRUNCATE')
    having count(*) > 0
    union all
    select 2, format('select nightshift.enable_soft_delete(%L, unique_among_active => array[%L]);', settings.relation::text,
        (select string_agg(quote_ident(a.attname), ', ' order by u.position)
         from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality u(attnum, position)
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum)),
      format('%s holds among deleted rows, too: nobody can use their values again.', i.indexrelid::regclass), 'SHARE until the index is built, then ACCESS EXCLUSIVE for a moment'
    from pg_catalog.pg_index i
    where i.indrelid = settings.relation and i.indisunique and not i.indisprimary and i.indpred is null and i.indexprs is null
      and not exists (select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid)
    union all
    select 3, format('create index concurrently on %s (%s);', s.referencing, nightshift.key_columns(c.oid)),
      format('Without it, each deletion in %s reads all of %s.', s.relation, s.referencing), 'none that readers or writers wait for'
    from nightshift.soft_delete_cascades s
    join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
    where s.relation = settings.relation and nightshift.is_large(s.referencing)
      and not exists (
        select from pg_catalog.pg_index i where i.indrelid = s.referencing and i.indisvalid and i.indkey[0] = c.conkey[1] and i.indpred is null
      )
  ) a(position, statement, why, lock);
$$;

comment on function nightshift.soft_delete_advice is
  'What makes a table with soft delete unsafe or slow: [{statement, why, lock}]. DELETE granted to users, unique indexes that hold among deleted rows, foreign keys of cascades without an index.';

-- supabase/schema/soft-delete/soft_delete_rules.sql

create or replace function nightshift.soft_delete_rules(relation regclass, for_caller boolean default true)
returns nightshift.soft_delete_rules
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  settings nightshift.soft_delete_tables;
  rules nightshift.soft_delete_rules;
  marker_type regtype;
  by_type regtype;
  at_time text;
begin
  select s.* into settings from nightshift.soft_delete_tables s where s.relation = soft_delete_rules.relation;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Soft delete is not enabled for %s', coalesce(relation::text, 'null')),
      hint = format('select nightshift.enable_soft_delete(%L);', coalesce(relation::text, 'public.orders'));
  end if;
  if for_caller and not settings.for_users and caller::regrole in (select nightshift.api_roles()) then
    raise exception using
      errcode = 'NS403',
      message = format('Users may not delete or restore rows of %s', relation),
      hint = format('select nightshift.enable_soft_delete(%L, for_users => true);', relation::text);
  end if;

  marker_type := nightshift.column_type(relation, settings.marker_column);
  by_type := nightshift.column_type(relation, settings.by_column);
  if marker_type is null or by_type is null or nightshift.column_type(relation, settings.operation_column) is null
    or nightshift.column_type(relation, settings.reason_column) is null
    or settings.flag_column is not null and nightshift.column_type(relation, settings.flag_column) is null
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s no longer has the columns of its soft delete', relation),
      hint = format('See what is missing: select nightshift.inspect_soft_delete(%L);', relation::text);
  end if;

  rules.relation := relation;
  rules.source := case (select c.relkind from pg_catalog.pg_class c where c.oid = relation) when 'p' then '' else 'only ' end
    || (select format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = relation);
  rules.marker := format('r.%I', settings.marker_column);
  rules.deleted := case when settings.flag_column is null then format('r.%I is not null', settings.marker_column)
    else format('r.%I is true', settings.flag_column) end;
  -- Without a zone it is the time of UTC, whatever the zone of the session.
  at_time := case marker_type when 'timestamptz'::regtype then '%s' when 'date'::regtype then '(%s at time zone ''UTC'')::date'
    else '(%s at time zone ''UTC'')' end;
  -- A uuid is that of a user, and no role can stand there.
  rules.mark := format('%I = %s, %I = %s, %I = $4, %I = $5%s',
    settings.marker_column, format(at_time, '$2'), settings.by_column,
    case by_type when 'uuid'::regtype then 'nullif($3, current_user)::uuid' else '$3' end, settings.reason_column, settings.operation_column,
    case when settings.flag_column is null then '' else format(', %I = true', settings.flag_column) end);
  rules.unmark := format('%I = null, %I = null, %I = null, %I = null%s',
    settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column,
    case when settings.flag_column is null then '' else format(', %I = false', settings.flag_column) end);
  -- As the index of the marker has it, whose rows are those that are deleted.
  rules.of_operation := format('r.%I = %s::%s and r.%I = $2 and %s',
    settings.marker_column, format(at_time, '$1'), nightshift.column_definition_type(relation, settings.marker_column),
    settings.operation_column, rules.deleted);
  -- A date is a whole day, and a time with few digits is rounded: the operation has the moment itself.
  rules.since := format('%3$s and r.%1$I >= %2$s::%4$s and coalesce(nightshift.operation_time(r.%5$I) >= $1, true)',
    settings.marker_column, format(at_time, '$1'), rules.deleted,
    nightshift.column_definition_type(relation, settings.marker_column), settings.operation_column);

  select
    array_agg(k.name order by k.position),
    string_agg(format('%I %s', k.name, k.type), ', ' order by k.position),
    string_agg(format('r.%I%s %s k.%I', k.name, k.cast_left, k.operator, k.name), ' and ' order by k.position),
    string_agg(format('r.%I', k.name), ', ' order by k.position),
    format('jsonb_build_object(%s)', string_agg(format('%L, %s', k.name, v.value), ', ' order by k.position)),
    case count(*) when 1 then format('to_jsonb(%s)', string_agg(v.value, ''))
      else format('jsonb_build_object(%s)', string_agg(format('%L, %s', k.name, v.value), ', ' order by k.position)) end
  into rules.key_names, rules.key_definition, rules.key_match, rules.key_order, rules.key_object, rules.key_value
  from nightshift.key_of(relation) k
  -- A type of somebody may have a cast to json of theirs, and the history is written with the rights of the owner of Nightshift.
  -- Its text needs no more than its output function, and only a superuser makes one.
  cross join lateral (
    select format(case when coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace then 'r.%I' else 'format(''%%s'', r.%I)' end, k.name)
    from pg_catalog.pg_type t
    left join pg_catalog.pg_type b on b.oid = t.typbasetype
    where t.oid = nightshift.column_type(soft_delete_rules.relation, k.name)
  ) v(value);
  if rules.key_names is null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has no primary key', relation),
      hint = 'Rows are named by the value of their primary key: add one.';
  end if;
  rules.trigger_path := (select s.trigger_search_path || ', pg_temp' from nightshift.settings s);
  return rules;
end;
$$;

comment on function nightshift.soft_delete_rules is
  'How rows of a table are deleted and restored, as pieces of SQL. Names and types only, so whoever may delete rows of it may know. for_caller: whether they are to be deleted or restored by whoever calls. Errors: NS404 soft delete is not enabled, NS403 it is not for users, NS422 the table has changed.';

-- supabase/schema/soft-delete/soft_delete_steps.sql

-- What a table lacks to be soft-deleted as declared: the same list is carried out by enable_soft_delete and shown by inspect_soft_delete.

create or replace function nightshift.soft_delete_steps(settings nightshift.soft_delete_tables, unique_among_active text[])
returns setof nightshift.ddl_step
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant regclass := settings.relation;
  source constant text := nightshift.trusted_name(settings.relation);
  large constant boolean := nightshift.is_large(settings.relation);
  partitioned constant boolean := (select c.relkind = 'p' from pg_catalog.pg_class c where c.oid = settings.relation);
  deleted constant text := case when settings.flag_column is null then format('%I is not null', settings.marker_column)
    else quote_ident(settings.flag_column) end;
  arguments constant text := format('%L, %L, %L, %L, %L', settings.marker_column, coalesce(settings.flag_column, ''), settings.by_column,
    settings.reason_column, settings.operation_column)
    || case when nightshift.column_type(settings.relation, settings.by_column) = 'uuid'::regtype then ', ''uuid''' else '' end;
  step nightshift.ddl_step;
  trigger record;
  kind text;
  columns text;
  index record;
  full_index regclass;
  full_constraint name;
  is_needed boolean;
  is_primary boolean;
  has_partial boolean;
begin
  step.outside_transaction := false;
  step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
  select format('alter table %s %s;', source, string_agg(format('add column %I %s', c.name, c.type), ', ' order by c.position)),
    format('Columns for when, by whom, why and in which operation a row was deleted. No row is rewritten.')
  into step.statement, step.why
  from (values
    (1, settings.marker_column, 'timestamptz'), (2, settings.by_column, 'text'), (3, settings.reason_column, 'text'),
    (4, settings.operation_column, 'uuid')
  ) c(position, name, type)
  where nightshift.column_type(relation, c.name) is null
  having count(*) > 0;
  if found then
    return next step;
  end if;

  if not exists (
    select from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = relation and i.indisvalid and a.attname = settings.marker_column
  ) then
    step.outside_transaction := large and not partitioned;
    step.lock := case when step.outside_transaction then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
    step.statement := format('create index %son %s (%I, %s) where %s;', case when step.outside_transaction then 'concurrently ' else '' end, source,
      settings.marker_column, (select string_agg(quote_ident(k.name), ', ' order by k.position) from nightshift.key_of(relation) k), deleted);
    step.why := 'Finds deleted rows: for the purge, for restores of an operation, and page by page.';
    return next step;
  end if;

  step.outside_transaction := false;
  step.lock := 'SHARE ROW EXCLUSIVE for a moment';
  for trigger in
    select t.*
    from (values
      ('zz_nightshift_delete', 'delete', format(
        'before update on %1$s for each row when (%2$s and (new.%3$I is null or new.%3$I::text is distinct from current_setting(''nightshift.operation'', true)))',
        source, case when settings.flag_column is null then format('old.%1$I is null and new.%1$I is not null', settings.marker_column)
          else format('old.%1$I is not true and (new.%1$I or old.%2$I is null and new.%2$I is not null)', settings.flag_column, settings.marker_column) end,
        settings.operation_column)),
      ('zz_nightshift_delete_again', 'again', format(
        'before update on %1$s for each row when (%2$s and (old.%3$I, old.%4$I, old.%5$I, old.%6$I) is distinct from (new.%3$I, new.%4$I, new.%5$I, new.%6$I))',
        source, case when settings.flag_column is null then format('old.%1$I is not null and new.%1$I is not null', settings.marker_column)
          else format('old.%1$I and new.%1$I and new.%2$I is not null', settings.flag_column, settings.marker_column) end,
        settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column)),
      ('zz_nightshift_restore', 'restore', format(
        'before update on %1$s for each row when (%2$s and num_nonnulls(%3$s) > 0)',
        source, case when settings.flag_column is null then format('old.%1$I is not null and new.%1$I is null', settings.marker_column)
          else format('old.%1$I and (new.%1$I is not true or new.%2$I is null)', settings.flag_column, settings.marker_column) end,
        format('new.%I, new.%I, new.%I, new.%I%s', settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column,
          case when settings.flag_column is null then '' else format(', nullif(new.%I, false)', settings.flag_column) end))),
      ('zz_nightshift_record', null, format(
        'after update on %s referencing old table as before new table as after for each statement', source))
    ) t(name, action, definition)
    where not exists (
      select from pg_catalog.pg_trigger g
      join pg_catalog.pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'nightshift'::regnamespace
      where g.tgrelid = relation and g.tgname = t.name and g.tgenabled = 'O'
    )
  loop
    step.statement := format('create or replace trigger %I %s execute function nightshift.%s(%s%s);', trigger.name, trigger.definition,
      case when trigger.action is null then 'record_deletions' else 'mark_deletion' end, quote_literal(trigger.action) || ', ', arguments);
    step.why := case trigger.action
      when 'delete' then 'The time and the user of a deletion by a plain update are the server''s.'
      when 'again' then 'A row that is deleted keeps the time and the user of its first deletion.'
      when 'restore' then 'A row that comes back by a plain update carries nothing of its deletion.'
      else 'Writes the history of deletions and restores, whoever does them.' end;
    return next step;
  end loop;

  if settings.views then
    step.lock := 'none on the table';
    foreach kind in array array['active', 'deleted'] loop
      select v.statements into step.statement from nightshift.soft_delete_view(settings, kind) v;
      step.why := case kind when 'active' then 'What applications read: rows that are not deleted, with the rights of who reads.'
        else 'The rows that can be restored, with the rights of who reads.' end;
      if step.statement is not null then
        return next step;
      end if;
    end loop;
  end if;

  step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
  if settings.hide and not exists (
    select from pg_catalog.pg_policy p where p.polrelid = relation and p.polname = 'nightshift_hides_deleted' and not p.polpermissive
  ) then
    step.statement := format(
      'create policy nightshift_hides_deleted on %s as restrictive for select to %s using (%s or current_setting(''nightshift.show_deleted'', true) = ''on'');',
      source,
      (select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) from pg_catalog.pg_roles r where r.oid in (select nightshift.api_roles())),
      case when settings.flag_column is null then format('%I is null', settings.marker_column) else format('%I is not true', settings.flag_column) end);
    step.why := 'Users do not see deleted rows, whatever they read.';
    return next step;
  end if;

  foreach columns in array settings.active_indexes loop
    columns := nightshift.columns_named(relation, columns);
    if nightshift.active_index(settings, columns) is null then
      step.outside_transaction := large and not partitioned;
      step.lock := case when step.outside_transaction then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
      step.statement := format('create index %son %s (%s) where %s;', case when step.outside_transaction then 'concurrently ' else '' end, source, columns,
        case when settings.flag_column is null then format('%I is null', settings.marker_column) else format('%I is not true', settings.flag_column) end);
      step.why := format('Finds active rows by %s, and counts them, without reading deleted ones.', columns);
      return next step;
    end if;
  end loop;

  foreach columns in array coalesce(unique_among_active, '{}') loop
    columns := nightshift.columns_named(relation, columns);
    has_partial := false;
    full_index := null;
    full_constraint := null;
    is_needed := false;
    for index in
      select i.indexrelid::regclass as name, i.indisprimary, c.conname, pg_get_expr(i.indpred, i.indrelid) as predicate, exists (
        select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid
      ) as referenced
      from pg_catalog.pg_index i
      left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.contype in ('u', 'p')
      where i.indrelid = relation and i.indisunique and i.indexprs is null and i.indisvalid
        and columns = (
          select string_agg(quote_ident(a.attname), ', ' order by u.position)
          from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality u(attnum, position)
          join pg_catalog.pg_attribute a on a.attrelid = relation and a.attnum = u.attnum
        )
    loop
      if index.predicate is null then
        full_index := index.name;
        full_constraint := index.conname;
        is_needed := index.indisprimary or index.referenced;
        is_primary := index.indisprimary;
      elsif strpos(index.predicate, quote_ident(coalesce(settings.flag_column, settings.marker_column))) > 0 then
        has_partial := true;
      end if;
    end loop;
    if is_needed then
      raise exception using
        errcode = 'NS422',
        message = format('%s of %s cannot be unique among active rows only', columns, relation),
        hint = case when is_primary then 'It is the primary key, which names deleted rows, too.'
          else format('A foreign key refers to it by %s, and needs it unique among all rows.', full_index) end;
    end if;
    if not has_partial then
      step.outside_transaction := large and not partitioned;
      step.lock := case when step.outside_transaction then 'none that readers or writers wait for' else 'SHARE: writers wait until it is built' end;
      step.statement := format('create unique index %son %s (%s) where %s;', case when step.outside_transaction then 'concurrently ' else '' end, source, columns,
        case when settings.flag_column is null then format('%I is null', settings.marker_column) else format('%I is not true', settings.flag_column) end);
      step.why := format('%s can be used again once its row is deleted.', columns);
      return next step;
    end if;
    if full_index is not null then
      step.outside_transaction := false;
      step.lock := 'ACCESS EXCLUSIVE for a moment, once it has it';
      step.statement := case when full_constraint is not null then format('alter table %s drop constraint %I;', source, full_constraint)
        else format('drop index %s;', full_index) end;
      step.why := 'It holds among deleted rows, too; the one before takes its place.';
      return next step;
    end if;
  end loop;
end;
$$;

comment on function nightshift.soft_delete_steps is
  'The statements, in order, that a table needs to be what its settings say; none when it is. unique_among_active: lists of columns that are to be unique among rows that are not deleted. Errors: NS422 such a list is the primary key or referred to, or a view''s name is taken.';

-- supabase/schema/soft-delete/soft_delete_tables_of_operation.sql

create or replace function nightshift.soft_delete_tables_of_operation(operation uuid)
returns setof regclass
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set row_security = off
as $$
declare
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  is_user constant boolean := caller::regrole in (select nightshift.api_roles());
  candidate record;
  rules nightshift.soft_delete_rules;
  has_rows boolean;
  context text;
begin
  for candidate in
    with recursive depth(relation, level) as (
      select t.relation, 0 from nightshift.soft_delete_tables t
      union
      select s.referencing, d.level + 1
      from depth d join nightshift.soft_delete_cascades s on s.relation = d.relation and s.referencing <> s.relation
      -- A circle of tables has no first one.
      where d.level < 20
    )
    select d.relation from depth d
    join nightshift.soft_delete_tables t on t.relation = d.relation
    -- One that was dropped is no reason to keep the others from coming back.
    join pg_catalog.pg_class c on c.oid = d.relation
    where t.for_users or not is_user
    group by d.relation
    order by max(d.level), d.relation::text
  loop
    rules := nightshift.soft_delete_rules(candidate.relation, false);
    execute format('select exists (select from %s r where %s)', nightshift.scan_of(candidate.relation), rules.of_operation)
    into has_rows using nightshift.operation_time(operation), operation;
    if has_rows then
      return next candidate.relation;
    end if;
  end loop;
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete_tables_of_operation is
  'The tables with rows that an operation deleted and that are deleted still, those that others refer to first; of those that are for users, when a user asks.';

-- supabase/schema/soft-delete/soft_delete_view.sql

create or replace function nightshift.soft_delete_view(settings nightshift.soft_delete_tables, kind text, out view_name text, out statements text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  relation constant regclass := settings.relation;
  owner name;
  source text;
  columns text;
  existing record;
begin
  select c.relowner::regrole::text, format('%I.%I', n.nspname, c.relname), format('%I.%I', n.nspname, left(kind || '_' || c.relname, 63))
  into owner, source, view_name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = relation;
  columns := (
    select string_agg(quote_ident(c.name), ', ' order by c.position)
    from (
      select a.attname, a.attnum::integer
      from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
      union all
      -- Those that are added before the view is made.
      select m.name, 10000 + m.position::integer
      from unnest(array[settings.marker_column, settings.by_column, settings.reason_column, settings.operation_column])
        with ordinality m(name, position)
      where nightshift.column_type(relation, m.name) is null
    ) c(name, position)
  );
  select c.oid, c.relkind,
    coalesce(c.reloptions @> array['security_invoker=true'], false) or coalesce(c.reloptions @> array['security_invoker=on'], false) as invoker,
    string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
  into existing
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.oid = to_regclass(view_name)
  group by c.oid;
  if existing.relkind <> 'v' then
    raise exception using
      errcode = 'NS422',
      message = format('%s is there already, and is no view', view_name),
      hint = format('Rename it, or do without the views: select nightshift.enable_soft_delete(%L, views => false);', relation::text);
  end if;
  if existing.columns = columns and existing.invoker then
    return;
  end if;
  statements := concat_ws(E'\n',
    -- A view can only get columns at its end.
    case when existing.oid is not null and strpos(columns || ',', existing.columns || ',') <> 1 then format('drop view %s;', view_name) end,
    format('create or replace view %s with (security_invoker = true%s) as select %s from %s where %s;',
      view_name, case kind when 'active' then ', check_option = local' else '' end, columns, source,
      case when settings.flag_column is null then format('%I is %s', settings.marker_column, case kind when 'active' then 'null' else 'not null' end)
        else format('%I is %s', settings.flag_column, case kind when 'active' then 'not true' else 'true' end) end),
    format('alter view %s owner to %s;', view_name, owner),
    format('comment on view %s is %L;', view_name, case kind when 'active' then 'The rows that are not deleted of ' else 'The deleted rows of ' end || relation::text
      || coalesce('. ' || obj_description(relation, 'pg_class'), '')),
    -- What default privileges give would be more than the table gives.
    (select format('revoke all on %s from %s;', view_name, string_agg(r.name, ', '))
     from (select 'public' as name union all select r.rolname from pg_catalog.pg_roles r where r.oid in (select nightshift.api_roles())) r),
    (
      select string_agg(format('grant %s on %s to %s;', a.privileges, view_name, a.grantee), E'\n' order by a.grantee)
      from (
        select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as privileges,
          case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee
        from pg_catalog.pg_class c cross join lateral aclexplode(c.relacl) a
        where c.oid = relation and a.grantee <> c.relowner
          and a.privilege_type = any(case kind when 'active' then array['SELECT', 'INSERT', 'UPDATE'] else array['SELECT'] end)
        group by a.grantee
      ) a
    ),
    (
      select string_agg(format('grant %s (%I) on %s to %s;', lower(x.privilege_type), a.attname, view_name,
        case x.grantee when 0 then 'public' else x.grantee::regrole::text end), E'\n' order by a.attnum)
      from pg_catalog.pg_attribute a cross join lateral aclexplode(a.attacl) x
      where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
        and x.privilege_type = any(case kind when 'active' then array['SELECT', 'INSERT', 'UPDATE'] else array['SELECT'] end)
    ),
    (
      select string_agg(format('comment on column %s.%I is %L;', view_name, a.attname, col_description(relation, a.attnum)), E'\n' order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and col_description(relation, a.attnum) is not null
    )
  );
end;
$$;

comment on function nightshift.soft_delete_view is
  'The name of the view active_ or deleted_ of a table, and the statements that make it what it should be: all columns of the table, the rights of who reads it, the grants of the table. statements is null where it is so. Errors: NS422 something else has that name.';

-- supabase/schema/soft-delete/soft_delete_where.sql

-- Deleting by a condition, which is data and never SQL, so that an application can pass on what its users chose.
-- Rights: those of the caller, row level security included.
-- Locks: those of soft_delete. A row is locked as it is found, so what no longer meets the condition by then stays.

create or replace function nightshift.soft_delete_where(
  relation regclass,
  condition jsonb,
  deleted_by text default null,
  reason text default null,
  operation uuid default null,
  max_rows integer default 10000,
  dry_run boolean default false
)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set lock_timeout = '1s'
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  only_if constant text := nightshift.condition_in_sql(relation, condition);
  most_rows constant integer := least(greatest(coalesce(max_rows, 10000), 1), 10000);
  keys jsonb;
  more boolean;
  plan jsonb;
  answer jsonb;
  context text;
begin
  begin
    -- One row more than are deleted says whether there are more.
    execute format($query$
      select coalesce(jsonb_agg(f.key) filter (where f.position <= $2), '[]'), count(*) > $2
      from (
        select n.key, row_number() over () as position
        from (select %s as key from %s r where not (%s) and %s order by %s limit $2 + 1 %s) n
      ) f
    $query$, rules.key_object, rules.source, rules.deleted, only_if, rules.key_order, case when dry_run then '' else 'for update of r' end)
    into keys, more using condition, most_rows;
  exception
    when data_exception or check_violation then
      raise exception using
        errcode = 'NS422',
        message = 'One of the values of condition is not of the type of its column',
        detail = format('The condition is %s', only_if),
        hint = 'Nothing was deleted.';
  end;
  if dry_run then
    plan := nightshift.plan_delete(relation, keys);
    return jsonb_build_object(
      'wouldDelete', jsonb_array_length(keys) - (plan ->> 'notFound')::integer,
      'byTable', (
        select coalesce(jsonb_object_agg(t.relation, t.rows), '{}')
        from (select e ->> 'relation', sum((e ->> 'rows')::bigint) from jsonb_array_elements(plan -> 'tables') e group by 1) t(relation, rows)
      ),
      'restricted', plan -> 'restricted',
      'more', more
    );
  end if;
  answer := nightshift.soft_delete(relation, keys, deleted_by, reason, operation);
  return answer || jsonb_build_object('more', more);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.soft_delete_where is
  'Deletes the rows that meet a condition, as soft_delete does: condition is an array of {column, operator, value}, all of which must be true, with the operators eq, neq, lt, lte, gt, gte, in, is_null and not_null, as in [{"column": "status", "operator": "in", "value": ["done", "failed"]}]. As everywhere in SQL, only is_null and not_null are true of null. max_rows: 10,000 by default and at most, in the order of their keys. Returns what soft_delete returns, and more: whether others meet it still; call again with the operation that was returned until there are none. No row is no error. dry_run: returns {wouldDelete, byTable: {table: rows}, restricted: as plan_delete, more}, with nothing deleted. The rights are those of the caller. Errors, nothing deleted: NS422 no condition, or none that fits the columns; and those of soft_delete.';

-- supabase/schema/soft-delete/start_operation.sql

create or replace function nightshift.start_operation(at timestamptz default clock_timestamp())
returns uuid
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  -- Version 7: 48 bits of time in milliseconds, and the rest by chance.
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid()) placing
        substring(int8send(floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
$$;

comment on function nightshift.start_operation is
  'The id of a new operation: a uuid of version 7, whose time, in whole milliseconds, is the deleted_at of all its rows (see operation_time). at: default now.';

-- supabase/schema/soft-delete/trim_deletion_events.sql

create or replace function nightshift.trim_deletion_events(as_of timestamptz default now())
returns bigint
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with trimmed as (
    delete from nightshift.deletion_events e
    where e.id in (
      select old.id
      from nightshift.deletion_events old
      where old.at < trim_deletion_events.as_of - (select s.ledger_retention from nightshift.settings s)
      order by old.at
      limit 1000
    )
    returning 1
  )
  select count(*) from trimmed;
$$;

comment on function nightshift.trim_deletion_events is
  'Deletes at most 1,000 entries of the history of deletions older than settings.ledger_retention (default 90 days); returns how many. begin_run calls it.';

-- supabase/schema/soft-delete/unique_conflicts.sql

create or replace function nightshift.unique_conflicts(relation regclass, out index_name regclass, out blocking text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  rules constant nightshift.soft_delete_rules := nightshift.soft_delete_rules(relation);
  predicate text;
  condition text;
  columns text;
begin
  for index_name, predicate, condition, columns in
    select i.indexrelid::regclass, pg_get_expr(i.indpred, i.indrelid), (
      select string_agg(format('a.%I%s %s r.%I%s', c.attname, o.cast_left, o.name, c.attname, o.cast_right), ' and ' order by u.position)
      from unnest(i.indkey[0:i.indnkeyatts - 1], i.indclass[0:i.indnkeyatts - 1]) with ordinality u(attnum, opclass, position)
      join pg_catalog.pg_attribute c on c.attrelid = i.indrelid and c.attnum = u.attnum
      join pg_catalog.pg_opclass oc on oc.oid = u.opclass
      join pg_catalog.pg_amop p on p.amopfamily = oc.opcfamily and p.amoplefttype = oc.opcintype
        and p.amoprighttype = oc.opcintype and p.amopstrategy = 3
      cross join lateral nightshift.trusted_operator(p.amopopr) o
    ), (
      select string_agg(format('r.%I', c.attname), ', ')
      from pg_catalog.pg_attribute c where c.attrelid = i.indrelid and c.attnum = any((i.indkey[0:i.indnkeyatts - 1])::smallint[])
    )
    from pg_catalog.pg_index i
    -- A full one has kept the values of deleted rows from being taken. What an expression yields, only the restore tells.
    where i.indrelid = unique_conflicts.relation and i.indisunique and i.indpred is not null and i.indexprs is null
    order by i.indexrelid::regclass::text
  loop
    -- No more columns than it needs, since a user may read some of them only.
    blocking := format(
      'select jsonb_agg(distinct jsonb_build_object(''key'', r.nightshift_key, ''blocking'', a.nightshift_key)) '
      || 'from (select %s, %s as nightshift_key from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
      || 'join (select %s, %s as nightshift_key from %s r where not (%s) and (%s)) a on %s',
      columns, rules.key_object, rules.key_definition, rules.source, rules.key_match,
      columns, rules.key_object, rules.source, rules.deleted, predicate, condition);
    return next;
  end loop;
end;
$$;

comment on function nightshift.unique_conflicts is
  'The unique indexes of a table that hold among some of its rows only, each with a query for what keeps the rows with the keys $1 from coming back: [{key: of such a row, blocking: the key of the active row that has its values}].';

-- supabase/schema/health/checks/backlog_age.sql

-- Health check backlog_age: how long the oldest row of each retention policy has been due.
-- Why: whatever the ledger says, rows that are still there long after their time are rows that nothing deletes.
-- Locks: at run time ACCESS SHARE on the tables with a policy, for a moment.

create or replace function nightshift.health_backlog_age(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  steps constant jsonb := (
    select coalesce(jsonb_object_agg(p.relation, p.step), '{}')
    from nightshift.purge_steps(as_of, false, 10) p
    where p.place = 1
  );
  policy nightshift.retention_policies;
  step jsonb;
  oldest timestamptz;
  measure nightshift.health_measure;
begin
  for policy in
    select p.* from nightshift.retention_policies p
    -- A table that is gone is what policies_broken speaks of.
    where p.enabled and exists (select 1 from pg_catalog.pg_class c where c.oid = p.relation)
    order by p.relation::text
  loop
    measure := null;
    measure.subject := policy.relation::text;
    step := steps -> measure.subject;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was',
          hint = 'select nightshift.list_retention_policies();';
      end if;
      perform nightshift.require_marker_index(policy);
      oldest := nightshift.oldest_due(policy, as_of);
      -- What was due before there was a policy has waited for nobody but its author.
      measure.value := case when oldest is null then 0
        else greatest(round(extract(epoch from as_of - greatest(oldest + policy.drop_after, policy.created_at))), 0) end;
      measure.detail := coalesce(to_char((oldest + policy.drop_after) at time zone 'UTC',
        '"The oldest row has been due since "YYYY-MM-DD HH24:MI" UTC."'), 'No row is due.');
      if oldest + policy.drop_after < policy.created_at then
        measure.detail := measure.detail || to_char(policy.created_at at time zone 'UTC',
          '" It counts from when the policy was declared, "YYYY-MM-DD HH24:MI" UTC."');
      end if;
      if oldest is not null and policy.last_purged_at is null then
        measure.detail := measure.detail || ' No purge has been here yet.';
      end if;
      if oldest is not null and nightshift.only_kept(step) then
        measure.value := 0;
        measure.detail := measure.detail || ' The last run left only what may stay, as the policy says.';
      end if;
      if oldest is not null and nightshift.only_needed(step) then
        measure.detail := measure.detail
          || format(' The last run left only what others still need, by %s.', nightshift.describe_needs(step));
        measure.info := 180000;
        measure.fix := nightshift.fix_of_step(step);
      end if;
      measure.fix := coalesce(measure.fix,
        format('%s --only %s', nightshift.run_by_hand('nightshift.retention_policies'), quote_literal(policy.relation)));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on %s to %I;', policy.relation, current_user);
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_backlog_age is
  'Seconds that the oldest due row of an enabled retention policy has been due, at most since the policy was declared; 0 when none is. Where the last run left only rows that foreign keys keep, that is information, and no warning. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'backlog_age',
  title => 'Age of what is due to be purged',
  healthy => 'No row is there long after its time.',
  why => 'Rows that are kept longer than was promised cost space, and perhaps more than that.',
  -- Two nights and two hours; a week.
  unit => 'seconds', warning => 180000, critical => 604800
);

-- supabase/schema/health/checks/backlog_growth.sql

-- Health check backlog_growth: how many nights in a row each purge has left more than the night before.
-- Why: a purge that works every night and still falls behind needs more time, or smaller tables; a single long night does not.

create or replace function nightshift.health_backlog_growth(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with night as (
    select s.relation, s.place, s.step, (s.step ->> 'rowsLeft')::numeric as rows_left,
      lead((s.step ->> 'rowsLeft')::numeric) over (partition by s.relation order by s.place) as rows_before
    from nightshift.purge_steps(health_backlog_growth.as_of, true, 4) s
  ),
  trend as (
    select n.relation,
      count(*) - 1 as comparisons,
      min(n.place) filter (where n.rows_before is not null and n.rows_left <= n.rows_before) - 1 as grown_until,
      string_agg(n.rows_left::text, ', ' order by n.place desc) as figures,
      bool_or(n.place = 1 and nightshift.only_needed(n.step)) as needed,
      string_agg(nightshift.describe_needs(n.step), '') filter (where n.place = 1) as needs,
      string_agg(nightshift.fix_of_step(n.step), '') filter (where n.place = 1) as fix
    from night n
    group by n.relation
  )
  select
    p.relation::text,
    coalesce(t.grown_until, t.comparisons, 0)::numeric,
    case when t.relation is null then 'No scheduled run has reported on it yet.'
      else format('Rows left by the last scheduled runs: %s.%s', t.figures,
        case when t.needed then format(' All of the last are still needed, by %s.', t.needs) end) end,
    coalesce(case when t.needed then t.fix end, nightshift.run_by_hand('nightshift.retention_policies')),
    case when t.needed then 3::numeric end, null::numeric, null::numeric, null::text
  from nightshift.retention_policies p
  left join trend t on t.relation = p.relation::text
  where p.enabled;
$$;

comment on function nightshift.health_backlog_growth is
  'How many times in a row, up to now, a scheduled purge left more rows of a table than the one before it, over the last four. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'backlog_growth',
  title => 'Backlogs that grow',
  healthy => 'No purge falls further behind from night to night.',
  why => 'A purge that falls behind every night never catches up by itself.',
  unit => 'times', warning => 3
);

-- supabase/schema/health/checks/blocked_sessions.sql

-- Health check blocked_sessions: how long sessions of this database have waited for a lock, and for whom.
-- Why: behind one that waits queue all that come later; ending the one in front lets all of them go.
-- Locks: none; for those that wait it asks the lock manager who is in front of them.

create or replace function nightshift.health_blocked_sessions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  -- There may be very many locks, and mostly nobody waits for any.
  if not exists (
    select from pg_catalog.pg_stat_activity a where a.wait_event_type = 'Lock' and a.datname = current_database()
  ) then
    return;
  end if;

  return query
  with recursive session as materialized (
    select a.pid, a.datname, a.usename, a.application_name, a.state, a.query_start from pg_catalog.pg_stat_activity a
  ),
  waiting as materialized (
    select l.pid, coalesce(l.waitstart, s.query_start) as since,
      coalesce(s.application_name, '') as application_name, s.usename, l.mode,
      case when l.database = d.oid then l.relation end as relation, l.locktype,
      row_number() over (order by coalesce(l.waitstart, s.query_start)) as place
    from pg_catalog.pg_locks l
    join session s on s.pid = l.pid
    join pg_catalog.pg_database d on d.datname = s.datname
    where not l.granted and s.datname = current_database()
  ),
  -- Each answer stops the lock manager for a moment: those who have waited longest are enough to find out who is in front.
  edge as materialized (
    select w.pid, b.pid as blocker, f.since as blocker_waits_since
    from waiting w
    cross join lateral (select distinct u.pid from unnest(pg_blocking_pids(w.pid)) u(pid)) b
    left join waiting f on f.pid = b.pid
    where w.place <= 100
  ),
  next as (
    select distinct on (e.pid) e.pid, e.blocker, e.blocker_waits_since
    from edge e
    order by e.pid, e.blocker_waits_since nulls first, e.blocker
  ),
  way as (
    select n.pid, n.blocker, n.blocker_waits_since from next n
    union
    select w.pid, n.blocker, n.blocker_waits_since from way w join next n on n.pid = w.blocker
  ),
  front as (
    select w.pid, w.blocker, s.state, s.pid is null as is_prepared
    from way w
    left join session s on s.pid = w.blocker
    where w.blocker_waits_since is null
  )
  select
    format('pid %s', w.pid),
    greatest(round(extract(epoch from as_of - w.since)), 0),
    format('%s as %s waits for %s on %s%s', coalesce(nullif(w.application_name, ''), 'no application name'), w.usename, w.mode,
      coalesce(w.relation::regclass::text, 'a ' || w.locktype), '; blocked by ' || (
        select string_agg(case e.blocker when 0 then 'a prepared transaction' else 'pid ' || e.blocker end, ', ' order by e.blocker)
        from (select * from edge where edge.pid = w.pid order by edge.blocker_waits_since nulls first, edge.blocker limit 5) e
      )),
    case
      when f.blocker = 0 then 'select gid, prepared, owner, database from pg_prepared_xacts order by prepared;'
      -- Where nothing runs there is nothing to cancel.
      when f.state = 'active' then format('select pg_cancel_backend(%s);', f.blocker)
      when f.blocker is not null then format('select pg_terminate_backend(%s);', f.blocker)
      else format('select pg_blocking_pids(%s);', w.pid)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from waiting w
  left join front f on f.pid = w.pid;
end;
$$;

comment on function nightshift.health_blocked_sessions is
  'Seconds that each session of this database has waited for a lock. The fix cancels, or where it is idle ends, the session in front that waits for nobody itself. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'blocked_sessions',
  title => 'Sessions that wait for a lock',
  healthy => 'No session waits long for a lock.',
  why => 'Behind one that waits for a lock queue all that come after it, until the connections are used up.',
  unit => 'seconds', warning => 300, critical => 600, quick => true
);

-- supabase/schema/health/checks/cache_hit.sql

-- Health check cache_hit: how many reads of blocks found them in shared_buffers.
-- Why: a working set that no longer fits into memory makes everything slower at once.

create or replace function nightshift.health_cache_hit(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    'all tables and indexes',
    round(100.0 * d.blks_hit / (d.blks_hit + d.blks_read), 2),
    format('%s of %s block reads had to ask the operating system%s', d.blks_read, d.blks_hit + d.blks_read,
      ', since ' || to_char(d.stats_reset, 'YYYY-MM-DD')),
    'select relid::regclass, heap_blks_read + coalesce(idx_blks_read, 0) as blocks_read '
      || 'from pg_statio_user_tables order by 2 desc limit 20;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_database d
  -- After a start, or a reset of the statistics, fewer reads say little: nothing is in memory yet.
  where d.datname = current_database() and d.blks_hit + d.blks_read >= 1000000;
end;
$$;

comment on function nightshift.health_cache_hit is
  'Reads of blocks of this database that shared_buffers served, in percent; nothing while there were fewer than 1,000,000. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'cache_hit',
  title => 'Reads served from memory',
  healthy => 'Nearly all that is read is in memory.',
  why => 'What is not in memory comes from disk, a hundred times slower: more memory is needed, or an index where whole tables are read.',
  unit => 'percent', worse => 'lower', info => 99, warning => 94
);

-- supabase/schema/health/checks/connections.sql

-- Health check connections: how much of each limit on connections is in use: of the server, this database, each role.
-- Why: at the limit every new request is refused, those of the night shift among them.

create or replace function nightshift.health_connections(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    'all connections',
    round(100.0 * count(*) / room.slots, 1),
    format('%s of %s: %s active, %s idle, %s idle in transaction', count(*), room.slots,
      count(*) filter (where a.state = 'active'),
      count(*) filter (where a.state = 'idle'),
      count(*) filter (where a.state like 'idle in transaction%')),
    'select usename, application_name, state, count(*) from pg_stat_activity where backend_type = ''client backend'' group by 1, 2, 3 order by 4 desc;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  cross join (
    select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
      - coalesce(current_setting('reserved_connections', true)::integer, 0) as slots
  ) room
  where a.backend_type = 'client backend'
  group by room.slots
  union all
  -- Postgres holds no superuser to these.
  select
    format('database %I', d.datname),
    round(100.0 * count(a.pid) / d.datconnlimit, 1),
    format('%s of %s, the connection limit of the database', count(a.pid), d.datconnlimit),
    format('alter database %I connection limit %s; -- or end some of its sessions', d.datname, 2 * d.datconnlimit),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_database d
  left join pg_catalog.pg_stat_activity a on a.datid = d.oid and a.backend_type = 'client backend'
  where d.datname = current_database() and d.datconnlimit > 0
  group by d.datname, d.datconnlimit
  union all
  select
    format('role %I', r.rolname),
    round(100.0 * count(a.pid) / r.rolconnlimit, 1),
    format('%s of %s, the connection limit of the role', count(a.pid), r.rolconnlimit),
    format('alter role %I connection limit %s; -- or end some of its sessions', r.rolname, 2 * r.rolconnlimit),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_roles r
  left join pg_catalog.pg_stat_activity a on a.usesysid = r.oid and a.backend_type = 'client backend'
  where r.rolconnlimit > 0 and not r.rolsuper and r.rolcanlogin
  group by r.rolname, r.rolconnlimit;
end;
$$;

comment on function nightshift.health_connections is
  'Client connections in percent of max_connections less those reserved (superuser_reserved_connections, reserved_connections), and of the connection limits of this database and of each role, where there are any. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'connections',
  title => 'Connections in use',
  healthy => 'There is room for more connections.',
  why => 'At the limit every new connection is refused; a pool that leaks them gets there overnight.',
  unit => 'percent', warning => 80, critical => 95, quick => true
);

-- supabase/schema/health/checks/database_growth.sql

-- Health check database_growth: by how much this database has grown in a week.
-- Why: what grows by half in a week is a job that has gone wrong, or a disk that will be full before anyone looks.

create or replace function nightshift.health_database_growth(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  this_day date := (as_of at time zone 'UTC')::date;
  -- Less is no growth, however small the database was.
  least_bytes constant numeric := 100 * 1024 * 1024;
  health_check nightshift.health_checks;
  past nightshift.database_sizes;
  bytes numeric;
  days integer;
  least_percent numeric;
begin
  select c.* into strict health_check from nightshift.health_checks c where c.name = 'database_growth';
  select s.* into past
  from nightshift.database_sizes s
  -- From the growth of a day or two nothing follows for a week: it may be one import.
  where s.measured_on <= this_day - 3
  -- The newest that is at least a week old, or else the oldest: either way the one next to a week.
  order by s.measured_on > this_day - 7, abs(this_day - s.measured_on - 7)
  limit 1;
  if not found then
    return query select
      format('database %I', current_database()), null::numeric, 'Not known yet: its size has not been noted for three days',
      null::text, null::numeric, null::numeric, null::numeric, null::text;
    return;
  end if;

  select s.bytes into bytes from nightshift.database_sizes s where s.measured_on = this_day;
  bytes := coalesce(bytes, pg_database_size(current_database()));
  days := this_day - past.measured_on;
  least_percent := round(least_bytes / past.bytes * 100 * 7 / days, 1);
  return query select
    format('database %I', current_database()),
    round((bytes - past.bytes) / past.bytes * 100 * 7 / days, 1),
    format('from %s on %s to %s', pg_size_pretty(past.bytes), past.measured_on, pg_size_pretty(bytes))
      || case when days <> 7 then format('; in %s days, extrapolated to 7', days) else '' end,
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    greatest(health_check.info, least_percent), greatest(health_check.warning, least_percent), null::numeric, null::text;
end;
$$;

comment on function nightshift.health_database_growth is
  'Growth of this database in 7 days in percent, from nightshift.database_sizes; thresholds are never below what is 100 MB. Null until it has been noted for three days. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'database_growth',
  title => 'Growth of the database in a week',
  healthy => 'The database grows at a pace that leaves time.',
  why => 'What grows this fast is a job that has gone wrong, or a disk that is full before anyone looks.',
  unit => 'percent', info => 20, warning => 50
);

-- supabase/schema/health/checks/database_size.sql

-- Health check database_size: how large this database is.
-- Why: on a full disk it takes no more writes; only you know how large the disk is.
-- Locks: none; it asks the file system for every file of the database, about 2 ms for each 1,000.

create or replace function nightshift.health_database_size(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    format('database %I', current_database()),
    size.bytes::numeric,
    pg_size_pretty(size.bytes),
    'select oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) from pg_class '
      || 'where relkind in (''r'', ''m'') order by relpages desc limit 20;',
    null::numeric, null::numeric, null::numeric, null::text
  from (select pg_database_size(current_database()) as bytes) size;
end;
$$;

comment on function nightshift.health_database_size is
  'Bytes of this database. It has no thresholds until you set them to 80 and 90 percent of your disk; of one of 8 GB: select nightshift.set_health_threshold(''database_size'', warning => 6400000000, critical => 7200000000). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'database_size',
  title => 'Size of the database',
  healthy => 'It has not reached any size that you have set with set_health_threshold.',
  why => 'A full disk makes the database read-only; set warning and critical to 80 and 90 percent of yours, for 8 GB: select nightshift.set_health_threshold(''database_size'', warning => 6400000000, critical => 7200000000).',
  unit => 'bytes'
);

-- supabase/schema/health/checks/dead_tuples.sql

-- Health check dead_tuples: dead rows against the number from which on autovacuum should have removed them.
-- Why: they slow down every scan and keep their disk; that they are still there says that autovacuum does not come, or cannot.

create or replace function nightshift.health_dead_tuples(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not current_setting('track_counts')::boolean then
    raise exception using
      errcode = 'NS424',
      message = 'Postgres counts no dead rows, and vacuums nothing by itself: track_counts is off',
      hint = 'alter system set track_counts = on; select pg_reload_conf();';
  end if;

  return query
  with counted as materialized (
    select c.oid, c.reltuples, c.reloptions, c.relowner, m.oid as main, m.reloptions as main_options,
      pg_stat_get_dead_tuples(c.oid) as dead
    from pg_catalog.pg_class c
    left join pg_catalog.pg_class m on c.relkind = 't' and m.reltoastrelid = c.oid
    where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't'
      -- Fewer say nothing, and most tables have fewer.
      and pg_stat_get_dead_tuples(c.oid) >= 10000
  ),
  autovacuum as (
    select t.*,
      coalesce(o.base, current_setting('autovacuum_vacuum_threshold')::numeric) as base,
      coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor')::numeric) as scale,
      -- From Postgres 18 on; -1 is no maximum.
      nullif(coalesce(o.most, current_setting('autovacuum_vacuum_max_threshold', true)::numeric), -1) as most,
      coalesce(o.enabled, true) and current_setting('autovacuum')::boolean as enabled
    from counted t
    cross join lateral (
      select
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_threshold') as base,
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_scale_factor') as scale,
        max(x.option_value::numeric) filter (where x.option_name = 'autovacuum_vacuum_max_threshold') as most,
        bool_and(x.option_value::boolean) filter (where x.option_name = 'autovacuum_enabled') as enabled
      -- Autovacuum goes by the options of a TOAST table, and where it has none by those of its table.
      from pg_options_to_table(coalesce(t.reloptions, t.main_options)) x
    ) o
  )
  select
    case when a.main is null then a.oid::regclass::text else format('%s (TOAST)', a.main::regclass) end,
    round(a.dead / greatest(least(a.base + a.scale * greatest(a.reltuples, 0)::numeric, a.most), 1), 1),
    format('%s dead and %s live rows; %s, last vacuumed by it %s', a.dead, pg_stat_get_live_tuples(a.oid),
      case when a.enabled then 'autovacuum is on' else 'autovacuum is switched off' end,
      coalesce(to_char(pg_stat_get_last_autovacuum_time(a.oid), 'YYYY-MM-DD HH24:MI'), 'never')),
    format('vacuum (analyze) %s;', coalesce(a.main, a.oid)::regclass),
    null::numeric, null::numeric, null::numeric, null::text
  from autovacuum a
  join pg_catalog.pg_class c on c.oid = coalesce(a.main, a.oid)
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'information_schema')
    -- Nobody else may vacuum it.
    and pg_has_role(c.relowner, 'usage')
    -- What was retired is read no more, and goes as a whole.
    and (c.relispartition or c.oid not in (select r.partition from nightshift.retired_partitions r where r.status = 'detached'));
end;
$$;

comment on function nightshift.health_dead_tuples is
  'Dead rows of tables, materialized views and TOAST tables that have at least 10,000, in times the number at which autovacuum comes by the settings of the table and of the server. Only those that the owner of this function may vacuum. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'dead_tuples',
  title => 'Dead rows',
  healthy => 'Vacuum keeps up with the dead rows.',
  why => 'Dead rows slow down every scan and keep their disk space; so many of them mean that autovacuum does not come, or is held back by an old transaction.',
  unit => 'times', info => 2, warning => 5
);

-- supabase/schema/health/checks/default_partition_rows.sql

-- Health check default_partition_rows: rows that found no partition of their own.
-- Why: each makes it harder to make the partition that it belongs to, and a partitioned table with all rows in one place
--      is not partitioned.
-- Locks: at run time ACCESS SHARE on the default partitions, for a moment.

create or replace function nightshift.health_default_partition_rows(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  part record;
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  can_move boolean;
  measure nightshift.health_measure;
begin
  for part in
    select t.partrelid::regclass as parent, t.partdefid::regclass as partition, k.column_name, k.type, p as policy,
      p.parent is not null as has_policy
    from pg_catalog.pg_partitioned_table t
    left join nightshift.partition_policies p on p.parent::oid = t.partrelid and p.enabled
    join pg_catalog.pg_class c on c.oid = t.partrelid
    cross join nightshift.partition_key(t.partrelid::regclass) k
    where t.partdefid <> 0 and c.relpersistence <> 't' and pg_has_role(c.relowner, 'usage')
      and not exists (
        select 1 from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = t.partrelid and d.deptype = 'e'
      )
    order by t.partrelid::regclass::text
  loop
    measure := null;
    measure.subject := part.parent::text;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      execute format('select count(*) from (select from %s limit 10000) r', nightshift.scan_of(part.partition)) into measure.value;
      measure.detail := format('%s in %s.',
        case when measure.value = 10000 then '10,000 or more' else measure.value::text end, part.partition);
      if measure.value > 0 then
        can_move := part.has_policy and measure.value = 10000;
        if part.has_policy and not can_move then
          policy := part.policy;
          state := nightshift.assess_partitions(array[part.parent::oid], as_of);
          can_move := exists (select from nightshift.partitions_wanted(policy, state) w where w.row_count > 0);
        end if;
        measure.detail := measure.detail || case
          when can_move then ' A run moves them in steps to partitions of their own.'
          when part.has_policy then ' No run can move them: their time is far ahead, too far back, or missing.'
          else '' end;
        measure.fix := case
          when part.has_policy and not can_move then format('select * from %s limit 100;', part.partition)
          when can_move then format('select nightshift.create_missing_partitions(%L);', part.parent)
          when part.type in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) then
            format('select nightshift.add_partition_policy(%L, %L);', part.parent, nightshift.usual_partition(part.parent))
          when part.column_name is not null then
            format('select min(%1$I), max(%1$I), count(*) from %2$s;', part.column_name, part.partition)
          else format('select count(*) from %s;', part.partition)
        end;
      end if;
    exception
      when lock_not_available then
        measure.problem := format('Another session holds a lock on %s.', part.partition);
      when insufficient_privilege then
        measure.problem := format('%I may not read %s.', current_user, part.partition);
        measure.fix := format('grant select on %s to %I;', part.partition, current_user);
      when sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_default_partition_rows is
  'Rows in the default partition of each partitioned table of the application, with a policy or without, counted up to 10,000. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'default_partition_rows',
  title => 'Rows without a partition of their own',
  healthy => 'No default partition holds rows.',
  why => 'They are found by no pruning and retired with no partition, and keep the partition that they belong to from being made.',
  unit => 'count', warning => 1
);

-- supabase/schema/health/checks/duplicate_indexes.sql

-- Health check duplicate_indexes: indexes that another index of the same table answers for.
-- Why: each one is written with every row, for queries that the other serves just as well.

create or replace function nightshift.health_duplicate_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    r.index::regclass::text,
    current_setting('block_size')::bigint * case when c.relkind = 'I' then (
      with recursive part(index) as (
        select r.index
        union all
        select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.index
      )
      select sum(i.relpages) from part p join pg_catalog.pg_class i on i.oid = p.index
    ) else c.relpages end,
    format('on %s; %s %s', t.oid::regclass, r.other::regclass,
      case when r.same_keys then 'is the same' else 'begins with the same columns' end),
    case
      when r.key is not null
        then format('alter table %s drop constraint %I;', t.oid::regclass,
          (select k.conname from pg_catalog.pg_constraint k where k.oid = r.key))
      else format('drop index %s%s;', case when c.relkind <> 'I' then 'concurrently ' end, r.index::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.redundant_indexes() r
  join pg_catalog.pg_class c on c.oid = r.index
  join pg_catalog.pg_class t on t.oid = r.relation;
$$;

comment on function nightshift.health_duplicate_indexes is
  'The size of each index that another answers for: the same or more columns in the same order, with the same method, operator classes, collations, order, expressions and predicate, and its INCLUDE columns among them. One that makes rows unique is redundant only beside one that does so on the same columns; of two that are the same, one is named. Those under 1 MB are ok, since what they cost is not worth a migration. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'duplicate_indexes',
  title => 'Indexes that repeat another',
  healthy => 'No index of some size repeats another.',
  why => 'Both are written with every row and held in memory, and one of them would do.',
  unit => 'bytes', info => 1048576, warning => 10485760
);

-- supabase/schema/health/checks/failed_restores.sql

-- Health check failed_restores: rows that could not be restored in the last hour.
-- Why: each is a user who wants something back, and most often another row has taken its unique value meanwhile.

create or replace function nightshift.health_failed_restores(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    e.relation_name,
    coalesce(sum(e.rows) filter (where e.action = 'restore_failed'), 0),
    format('%s of %s rows: %s.', coalesce(sum(e.rows) filter (where e.action = 'restore_failed'), 0), sum(e.rows), coalesce((
      select string_agg(format('%s%s%s (%s)', w.code, ' ' || w.violated, ' in ' || w.place, w.n), ', ' order by w.n desc, w.code, w.violated, w.place)
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

-- supabase/schema/health/checks/foreign_keys_without_index.sql

-- Health check foreign_keys_without_index: columns that refer to another table and are not indexed.
-- Why: each row that is deleted there, or gets another key, reads the whole referring table.

create or replace function nightshift.health_foreign_keys_without_index(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive served as materialized (
    select k.oid as key
    from pg_catalog.pg_constraint k
    -- By any one of its columns the rows are found that the others are compared in.
    join pg_catalog.pg_index x on x.indrelid = k.conrelid and x.indkey[0] = any(k.conkey)
    join pg_catalog.pg_class c on c.oid = x.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam and m.amname in ('btree', 'hash')
    where k.contype = 'f'
      -- One that is invalid is being built, or invalid_indexes says how to finish it; a second one would repeat it.
      and (x.indisvalid and x.indisready or not x.indisunique and c.relname !~ '_cc(new|old)\d*$')
      -- Without the rows whose key is null it serves just as well.
      and (
        x.indpred is null
        or substring(
          x.indpred::text from '^\{NULLTEST :arg \{VAR :varno 1 :varattno (\d+) [^{}]*\} :nulltesttype 1 [^{}]*\}$'
        )::smallint = any(k.conkey)
      )
  ),
  -- Each partition has a copy of the key, and may have an index of its own.
  unserved(key, root, relation) as (
    select k.oid, k.oid, k.conrelid
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conparentid = 0 and k.oid not in (select s.key from served s)
      -- One that is not enforced, from Postgres 18 on, looks for nothing.
      and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
    union all
    select k.oid, u.root, k.conrelid
    from unserved u
    join pg_catalog.pg_constraint k on k.conparentid = u.key and k.contype = 'f' and k.conrelid <> u.relation
    where k.oid not in (select s.key from served s)
  ),
  lacking as (
    select k.oid, k.conrelid, k.conkey, k.conname, k.confrelid, sum(case when c.relkind = 'r' then
      greatest(c.reltuples::numeric, pg_stat_get_live_tuples(c.oid), 0) end) as rows
    from unserved u
    join pg_catalog.pg_constraint k on k.oid = u.root
    join pg_catalog.pg_class c on c.oid = u.relation
    group by k.oid
    -- A partitioned table does without when each of its partitions has one; one without partitions has no rows.
    having bool_or(c.relkind = 'r')
  )
  select
    format('%s (%s)', t.oid::regclass, n.columns),
    max(l.rows),
    format('%s to %s', string_agg(format('%I', l.conname), ', ' order by l.conname),
      string_agg(distinct l.confrelid::regclass::text, ', ')),
    format('create index %son %s (%s);', case when t.relkind = 'r' then 'concurrently ' end, t.oid::regclass, n.columns),
    null::numeric, null::numeric, null::numeric, null::text
  from lacking l
  join pg_catalog.pg_class t on t.oid = l.conrelid
  cross join lateral (
    select string_agg(format('%I', a.attname), ', ' order by u.position)
    from unnest(l.conkey) with ordinality u(attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = u.attnum
  ) n(columns)
  where t.oid in (select a from nightshift.application_tables() a)
  group by t.oid, t.relkind, n.columns;
$$;

comment on function nightshift.health_foreign_keys_without_index is
  'For each foreign key whose columns no index serves, how many rows the referring table has, as Postgres estimates them; of a partitioned one, in the partitions without. Not those that have an index: a btree or hash that begins with a column of the key, valid or to be completed by the fix of invalid_indexes, partial only where one is not null. Tables of less than 1,000 rows are ok: to read one as a whole takes no longer than to use an index. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'foreign_keys_without_index',
  title => 'Foreign keys without an index',
  healthy => 'Every foreign key of a table of some size has an index.',
  why => 'Whenever a referenced row is deleted or gets another key, Postgres looks for rows that refer to it, and without an index it reads the whole table.',
  unit => 'count', info => 1000, warning => 1000000
);

-- supabase/schema/health/checks/hidden_partitions.sql

-- Health check hidden_partitions: partitions that are there while their rows cannot be seen through the table.
-- Why: nothing fails, figures are just too low; and what was meant to be kept is dropped or forgotten as a table that nobody reads.

create or replace function nightshift.health_hidden_partitions(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select
    i.inhrelid::regclass::text,
    1::numeric,
    format('half detached from %s: its rows cannot be seen through it, none can be added, and no other partition can be detached concurrently.%s',
      i.inhparent::regclass, case when d.partition is not null
        then format(' The next run of partition-maintenance finishes it; to have it back: select nightshift.reattach_partition(%L);', i.inhrelid::regclass)
        else ' To have it back, finish it and attach it again' end),
    format('alter table %s detach partition %s finalize;', i.inhparent::regclass, i.inhrelid::regclass),
    null::numeric, null::numeric, 1::numeric, null::text
  from pg_catalog.pg_inherits i
  left join nightshift.retired_partitions d on d.partition::oid = i.inhrelid and d.status = 'detaching'
  where i.inhdetachpending and i.inhparent in (select a from nightshift.application_tables() a)
  union all
  select
    d.partition::text,
    1::numeric,
    format('was retired from %s when retention was shorter; it is not due any more, so rows of %s to %s are missing there, and new ones of that time find no partition',
      d.parent, lower(d.period), upper(d.period)),
    format('select nightshift.reattach_partition(%L);', d.partition),
    null::numeric, 1::numeric, null::numeric, null::text
  from nightshift.retired_partitions d
  join nightshift.partition_policies p on p.parent = d.parent and p.enabled
  join pg_catalog.pg_class c on c.oid = d.partition and not c.relispartition
  where d.status = 'detached'
    and (p.retention is null or upper(d.period) > least(health_hidden_partitions.as_of, now()) at time zone 'UTC' - p.retention);
$$;

comment on function nightshift.health_hidden_partitions is
  '1 for each partition that is half detached (critical), as an interrupted detach leaves it, and for each that was retired and would not be due now (warning). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'hidden_partitions',
  title => 'Partitions whose rows cannot be seen',
  healthy => 'Every partition that is to be there can be seen through its table.',
  why => 'Queries of the table pass over these rows without a word, and what is computed from them is too low.',
  unit => 'count', warning => 1
);

-- supabase/schema/health/checks/idle_in_transaction.sql

-- Health check idle_in_transaction: how long sessions of this database have left a transaction open without doing anything.
-- Why: nobody is working there, and yet it holds its locks, its connection and the vacuum.

create or replace function nightshift.health_idle_in_transaction(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    format('pid %s', a.pid),
    greatest(round(extract(epoch from as_of - a.state_change)), 0),
    format('%s as %s, %s; its transaction has been open for %s', coalesce(nullif(a.application_name, ''), 'no application name'),
      a.usename, a.state, date_trunc('second', as_of - a.xact_start)),
    format('select pg_terminate_backend(%s);', a.pid),
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  where a.datname = current_database() and a.backend_type = 'client backend' and a.state like 'idle in transaction%';
end;
$$;

comment on function nightshift.health_idle_in_transaction is
  'Seconds that each session of this database has been idle in a transaction, failed ones included. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'idle_in_transaction',
  title => 'Sessions idle in a transaction',
  healthy => 'No session sits idle in a transaction.',
  why => 'A client that forgot to commit holds its locks and holds back vacuum for as long as it likes; idle_in_transaction_session_timeout ends it.',
  unit => 'seconds', warning => 1800, critical => 3600, quick => true
);

-- supabase/schema/health/checks/inactive_replication_slots.sql

-- Health check inactive_replication_slots: how much WAL is kept for replication slots that nobody reads from.
-- Why: the server keeps all of it until the reader comes back, or the disk is full.

create or replace function nightshift.health_inactive_replication_slots(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select
    format('slot %I', s.slot_name),
    -- One that was invalidated, or never used, keeps nothing, but says that someone does not get what they wait for.
    coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0), 0),
    concat_ws('; ',
      case s.slot_type when 'logical' then format('logical, of database %I', s.database) else s.slot_type end,
      'wal status ' || coalesce(s.wal_status, 'none: it has never been used'),
      -- From Postgres 17 on.
      'inactive since ' || left(to_jsonb(s) ->> 'inactive_since', 16),
      'holds back vacuum by ' || greatest(age(s.xmin), age(s.catalog_xmin)) || ' transactions'),
    -- Without its slot a replica or subscriber has to be built anew: for one that is only away this would be no fix.
    case when s.wal_status = 'lost' then format('select pg_drop_replication_slot(%L);', s.slot_name)
      else format('select * from pg_replication_slots where slot_name = %1$L; '
        || '/* start its reader again, or, if it is gone for good: select pg_drop_replication_slot(%1$L); */', s.slot_name) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_replication_slots s
  where not s.active;
end;
$$;

comment on function nightshift.health_inactive_replication_slots is
  'Bytes of WAL kept for each replication slot of the server that is not active. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'inactive_replication_slots',
  title => 'Inactive replication slots',
  healthy => 'Every replication slot is in use.',
  why => 'For a slot that nobody reads from the server keeps its WAL until the disk is full, and old row versions with it.',
  unit => 'bytes', warning => 0, critical => 1073741824
);

-- supabase/schema/health/checks/invalid_indexes.sql

-- Health check invalid_indexes: indexes whose build failed halfway, and partitioned ones that miss a part.
-- Why: no query can use them, and nothing but a look at the catalog tells so.

create or replace function nightshift.health_invalid_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Without it the builds of others do not show, and theirs would pass for failed ones.
  perform nightshift.require_statistics();
  return query
  with invalid as materialized (
    select x.indexrelid as index, x.indrelid as relation, x.indisunique, c.relname, c.relkind, c.relpages
    from pg_catalog.pg_index x
    join pg_catalog.pg_class c on c.oid = x.indexrelid
    where x.indrelid >= 16384::oid and not (x.indisvalid and x.indisready and x.indislive)
  ),
  underway as materialized (
    select p.relid as relation, null::oid as index from pg_catalog.pg_stat_progress_create_index p
    where p.datname = current_database() and exists (select 1 from invalid)
    union all
    -- Of an index, only those who rebuild or drop it concurrently take this lock.
    select null, l.relation from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.mode = 'ShareUpdateExclusiveLock' and l.granted
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and exists (select 1 from invalid)
  )
  select
    i.index::regclass::text,
    i.relpages::bigint::numeric * current_setting('block_size')::bigint,
    format('on %s; ', t.oid::regclass) || case
      when i.relkind = 'I' then p.detail
      when i.relname ~ '_cc(new|old)\d*$' then 'left over from a reindex concurrently that did not finish'
      when i.indisunique then 'its build did not finish, as when a value is there twice; once that is mended, create it again'
      else 'its build did not finish'
    end,
    case
      when i.relkind = 'I' then p.fix
      -- To build a unique one again would end as before, and leave another behind.
      when i.indisunique or i.relname ~ '_cc(new|old)\d*$' then format('drop index concurrently %s;', i.index::regclass)
        -- What is dropped can be made again only by who still knows it.
        || case when i.relname ~ '_cc(new|old)\d*$' then '' else ' -- then: '
          || replace(pg_get_indexdef(i.index), ' INDEX ', ' INDEX CONCURRENTLY ') || ';' end
      else format('reindex index concurrently %s;', i.index::regclass)
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from invalid i
  join pg_catalog.pg_class t on t.oid = i.relation
  left join lateral (
    select s.*
    from unnest(case i.relkind when 'I' then array[i.index] end) o(index)
    cross join lateral nightshift.next_part_of_index(o.index) s
  ) p on true
  where t.oid in (select a from nightshift.application_tables() a)
    and not exists (select 1 from underway u where u.index = i.index or u.relation = i.relation);
end;
$$;

comment on function nightshift.health_invalid_indexes is
  'The size of each index that is not valid or not ready, those of long values included; not those that are being built or dropped now. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'invalid_indexes',
  title => 'Invalid indexes',
  healthy => 'Every index is valid.',
  why => 'Queries pass it over as if it were not there, while most are still written with every row; a unique one guards nothing for sure.',
  unit => 'bytes', warning => 0
);

-- supabase/schema/health/checks/job_missed.sql

-- Health check job_missed: how long ago each job last did its work.
-- Why: a schedule that fires no more fails nowhere; only the silence tells.

create or replace function nightshift.health_job_missed(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    j.job,
    round(extract(epoch from health_job_missed.as_of - coalesce(j.last_success_at, j.declared_at))),
    concat_ws(' ',
      case when s.paused then format('Nightshift is paused%s%s.',
        to_char(s.paused_at at time zone 'UTC', '" since "YYYY-MM-DD HH24:MI" UTC"'), ': ' || s.paused_reason) end,
      case when j.last_success_at is null
        then to_char(j.declared_at at time zone 'UTC',
          '"It has not done its work since its first policy was declared, "YYYY-MM-DD HH24:MI" UTC."')
        else to_char(j.last_success_at at time zone 'UTC', '"It last ended with its work done "YYYY-MM-DD HH24:MI" UTC."') end,
      'The thresholds are those of a job for every night; for one that runs once a week, say, set others of its own.'
    ),
    case when s.paused then 'select nightshift.unpause();' else format('-- npm run nightshift -- run %s', j.job) end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_job_missed.as_of) j
  cross join nightshift.settings s
  where j.declared_at is not null
    -- A job of policies that has none any more has nothing to do; another is missed once it has worked.
    or j.last_success_at is not null
      and not exists (select 1 from nightshift.jobs d where d.name = j.job and d.policies is not null);
$$;

comment on function nightshift.health_job_missed is
  'Seconds since a job last did its work as far as it could, or, when it never did, since its oldest policy was declared. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'job_missed',
  title => 'Time since each job did its work',
  healthy => 'No job is late.',
  why => 'A job that nothing starts any more fails nowhere, and what it keeps in order grows, ages and runs out.',
  -- A night and two hours of slack; two nights and two hours.
  unit => 'seconds', warning => 93600, critical => 180000, quick => true
);

-- supabase/schema/health/checks/jobs_failing.sql

-- Health check jobs_failing: how many runs of each job have failed, one after the other.
-- Why: one failure may be a bad night; several are a fault that stays.

create or replace function nightshift.health_jobs_failing(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    j.job,
    j.failed_in_row::numeric,
    case when j.failed_in_row = 0 then 'The last one did not fail.' else format('%s in a row. The last, of %s UTC, failed with %s: %s',
      j.failed_in_row, to_char(f.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), f.error ->> 'code',
      concat_ws('. ', f.error ->> 'message', f.error ->> 'detail', f.error ->> 'hint')) end,
    format('-- npm run nightshift -- run %s --dry-run', j.job),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_failing.as_of) j
  left join lateral (
    select r.started_at, r.error
    from nightshift.runs r
    where j.failed_in_row > 0 and r.job = j.job and r.status = 'failed' and not r.dry_run and not r.input ? 'only'
      and r.started_at <= health_jobs_failing.as_of
    order by r.started_at desc
    limit 1
  ) f on true;
$$;

comment on function nightshift.health_jobs_failing is
  'Failed runs of a job since the last one that did its work. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_failing',
  title => 'Jobs that fail',
  healthy => 'No job failed when it last ran.',
  why => 'A run that failed did nothing, or refused to; the next one fails likewise until someone looks.',
  unit => 'times', warning => 1, critical => 3, quick => true
);

-- supabase/schema/health/checks/jobs_lost.sql

-- Health check jobs_lost: how many runs of each job have ended without a word, one after the other.
-- Why: a function that dies, or is killed for its memory or time, reports nothing itself.

create or replace function nightshift.health_jobs_lost(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    j.job,
    j.lost_in_row::numeric,
    case when j.lost_in_row = 0 then 'The last one came to its end.' else format(
      '%s in a row. The last, of %s UTC, gave its last sign of life after %s s; the log of the function says what it did then.',
      j.lost_in_row, to_char(l.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      round(extract(epoch from l.heartbeat_at - l.started_at))) end,
    format('-- npm run nightshift -- run %s', j.job),
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_lost.as_of) j
  left join lateral (
    select r.started_at, r.heartbeat_at
    from nightshift.runs r
    where j.lost_in_row > 0 and r.job = j.job and not r.dry_run and not r.input ? 'only' and r.started_at <= health_jobs_lost.as_of
      and (r.status = 'lost' or r.status = 'running' and r.lease_expires_at <= health_jobs_lost.as_of)
    order by r.started_at desc
    limit 1
  ) l on true;
$$;

comment on function nightshift.health_jobs_lost is
  'Runs of a job since the last one that did its work whose lease ran out without an end. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_lost',
  title => 'Jobs that die',
  healthy => 'Every run came to its end.',
  why => 'A function that is killed, for its memory or its time, dies at the same place again; what it had done stays done.',
  unit => 'times', warning => 1, critical => 3, quick => true
);

-- supabase/schema/health/checks/jobs_partial.sql

-- Health check jobs_partial: how many runs of each job have left something undone, one after the other.
-- Why: one night may run out of time; a backlog that is never worked off is another matter. Rows that only foreign keys
--      keep are neither: nobody has to get up for them.

create or replace function nightshift.health_jobs_partial(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    j.job,
    j.partial_in_row::numeric,
    case when j.partial_in_row = 0 then 'The last one left nothing.' else format('%s in a row. The last, of %s UTC, left %s',
      j.partial_in_row, to_char(p.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
      coalesce(nightshift.describe_leftovers(p.report), 'work undone, and its report does not say which.')) end,
    -- Another run is no fix for what a foreign key keeps.
    coalesce(nightshift.fix_of_leftovers(p.report), format('-- npm run nightshift -- run %s', j.job)),
    case when p.needed then 1::numeric end, null::numeric, null::numeric, null::text
  from nightshift.job_states(health_jobs_partial.as_of) j
  left join lateral (
    select r.started_at, r.report,
      r.status = 'partial' and coalesce((
        select bool_and(nightshift.only_needed(s))
        from jsonb_path_query(r.report, '$.steps[*] ? (@.status != "succeeded")') s
      ), false) as needed
    from nightshift.runs r
    where j.partial_in_row > 0 and r.job = j.job and r.status in ('partial', 'continued') and not r.dry_run and not r.input ? 'only'
      and r.started_at <= health_jobs_partial.as_of
    order by r.started_at desc
    limit 1
  ) p on true;
$$;

comment on function nightshift.health_jobs_partial is
  'Runs of a job since the last one that succeeded that left something undone. A purge whose last run left only what foreign keys keep is worth no warning. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'jobs_partial',
  title => 'Jobs that leave work undone',
  healthy => 'Every job finished all of its work when it last ran.',
  why => 'What a run leaves, the next one has to do as well; when none gets to the end, the rest is never done.',
  unit => 'times', info => 1, warning => 2, quick => true
);

-- supabase/schema/health/checks/ledger_size.sql

-- Health check ledger_size: how much space the records of Nightshift itself take.
-- Why: what keeps a database small must not be what fills it.
-- Locks: none but ACCESS SHARE on tables of its own, for a moment.

create or replace function nightshift.health_ledger_size(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.oid::regclass::text,
    pg_total_relation_size(c.oid)::numeric,
    format('About %s rows, kept for %s; %s more wait for a vacuum.',
      pg_stat_get_live_tuples(c.oid), s.ledger_retention, pg_stat_get_dead_tuples(c.oid)),
    -- What was deleted gives its space back only to new rows.
    case when s.ledger_retention > '30 days'
      then 'update nightshift.settings set ledger_retention = ''30 days'';'
      else format('vacuum full %s;', c.oid::regclass) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  cross join nightshift.settings s
  where c.oid in (
    'nightshift.runs'::regclass, 'nightshift.view_refreshes'::regclass, 'nightshift.deletion_events'::regclass
  );
$$;

comment on function nightshift.health_ledger_size is
  'Bytes of the tables that keep what was done (runs, view_refreshes, deletion_events), with indexes and long values. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'ledger_size',
  title => 'Size of the ledger',
  healthy => 'The ledger is small.',
  why => 'What keeps a database small should not be what fills it.',
  unit => 'bytes', info => 104857600, warning => 1073741824
);

-- supabase/schema/health/checks/long_transactions.sql

-- Health check long_transactions: how long the transactions of this database have been open.
-- Why: one that is forgotten keeps vacuum from its work in every table, and whoever waits for its locks from theirs.

create or replace function nightshift.health_long_transactions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    format('pid %s', a.pid),
    greatest(round(extract(epoch from as_of - a.xact_start)), 0),
    format('%s as %s, %s; %s', coalesce(nullif(a.application_name, ''), 'no application name'), a.usename, a.state,
      concat_ws('; ', coalesce('holds back vacuum by ' || greatest(age(a.backend_xid), age(a.backend_xmin)) || ' transactions',
        'holds back no vacuum'), 'waits for pid ' || w.blockers)),
    -- One that waits is not the culprit, and where nothing runs there is nothing to cancel.
    case when w.blockers is null then
      format(case a.state when 'active' then 'select pg_cancel_backend(%s);' else 'select pg_terminate_backend(%s);' end, a.pid) end,
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_activity a
  left join lateral (
    select array_to_string(pg_blocking_pids(a.pid), ', ') as blockers where a.wait_event_type = 'Lock'
  ) w on true
  where a.datname = current_database() and a.backend_type = 'client backend'
    and a.pid <> pg_backend_pid() and a.xact_start is not null
    -- A vacuum may well take hours, and holds nothing back.
    and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)
  union all
  select
    format('prepared transaction %s', p.gid),
    greatest(round(extract(epoch from as_of - p.prepared)), 0),
    format('of %s; keeps its locks and holds back vacuum by %s transactions', p.owner, age(p.transaction)),
    format('rollback prepared %L;', p.gid),
    null, null, null, null
  from pg_catalog.pg_prepared_xacts p
  where p.database = current_database();
end;
$$;

comment on function nightshift.health_long_transactions is
  'Seconds since each transaction of a client in this database began, its own left out, and since each prepared one was prepared. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'long_transactions',
  title => 'Long transactions',
  healthy => 'No transaction has been open for long.',
  why => 'While one is open, vacuum removes nothing that it might still see, in any table, and its locks stay.',
  unit => 'seconds', info => 60, warning => 1800, critical => 3600, quick => true
);

-- supabase/schema/health/checks/nightshift_exposed.sql

-- Health check nightshift_exposed: what of Nightshift itself is open to others than it should be.
-- Why: its functions delete rows and drop partitions; the watchman has to be looked at as well.

create or replace function nightshift.health_nightshift_exposed(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with home as materialized (
    select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where n.nspname = 'nightshift'
  ),
  grantee(oid, name, is_runner) as materialized (
    select 0::oid, 'public', false
    union all
    -- What they have through another role they have.
    select g.oid, format('%I', g.rolname), bool_and(g.rolname = 'nightshift_runner' and a.oid = g.oid)
    from nightshift.api_roles() a(oid)
    join pg_catalog.pg_roles g on pg_has_role(a.oid, g.oid, 'usage') and not g.rolbypassrls and not g.rolsuper
    group by g.oid, g.rolname
  ),
  thing(kind, name, acl, fault, fault_fix) as (
    select 'schema', 'nightshift', coalesce(h.nspacl, acldefault('n', h.nspowner)), null, null
    from home h
    union all
    select 'routine', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)),
      case when s.mutable then 'it has no search path of its own' end,
      case when s.mutable then format('alter routine %s set search_path = pg_catalog, pg_temp;', p.oid::regprocedure) end
    from home h
    join pg_catalog.pg_proc p on p.pronamespace = h.oid
    cross join lateral (
      select not exists (select 1 from unnest(p.proconfig) o(setting) where starts_with(o.setting, 'search_path='))
    ) s(mutable)
    union all
    select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text,
      coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner)) 
        || array(
          select x.item
          from pg_catalog.pg_attribute t
          cross join lateral unnest(t.attacl) x(item)
          where t.attrelid = c.oid
        ),
      f.fault,
      case f.fault
        when 'it has no row level security' then format('alter table %s enable row level security;', c.oid::regclass)
        when 'it reads with the rights of its owner' then format('alter view %s set (security_invoker = true);', c.oid::regclass)
      end
    from home h
    join pg_catalog.pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    cross join lateral (
      select case
        when c.relkind in ('r', 'p') and not c.relrowsecurity then 'it has no row level security'
        when c.relkind = 'v' and not exists (
          select 1 from unnest(c.reloptions) o(option) where o.option in (
            'security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'
          )
        )
          then 'it reads with the rights of its owner'
      end
    ) f(fault)
  )
  select
    case t.kind when 'schema' then 'schema nightshift' else t.name end,
    (g.grantees is not null or t.fault is not null)::integer,
    coalesce(nullif(concat_ws('; ', g.names || ' may ' || g.privileges, t.fault), ''), 'closed'),
    nullif(concat_ws(' ', format('revoke all on %s %s from ', t.kind, t.name) || g.grantees || ';', t.fault_fix), ''),
    null::numeric, null::numeric, null::numeric, null::text
  from thing t
  cross join lateral (
    select string_agg(distinct g.name, ', '), string_agg(distinct g.name, ' and '), string_agg(distinct lower(x.privilege_type), ', ')
    from aclexplode(t.acl) x
    join grantee g on g.oid = x.grantee
    where not (g.is_runner and (t.kind, x.privilege_type) in (('schema', 'USAGE'), ('routine', 'EXECUTE')))
  ) g(grantees, names, privileges);
$$;

comment on function nightshift.health_nightshift_exposed is
  'For the schema nightshift and everything in it: 1 where public or a role of the Data API was granted anything on it, but for what nightshift_runner may execute, a function has no search path of its own, a table no row level security, or a view the rights of its owner; else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'nightshift_exposed',
  title => 'Nightshift itself',
  healthy => 'Nothing of Nightshift is open to anyone but service_role, nightshift_runner and its owner.',
  why => 'Its functions delete rows and drop partitions; someone who can call them from outside can empty the database.',
  unit => 'count', critical => 1
);

-- supabase/schema/health/checks/oversized_partitions.sql

-- Health check oversized_partitions: partitions that have outgrown what a partition is good for.
-- Why: a partition that does not fit into memory is read, vacuumed and backed up like the large table it was to replace.

create or replace function nightshift.health_oversized_partitions(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.oid::regclass::text,
    (c.relpages + coalesce(t.relpages, 0) + coalesce(x.pages, 0)) * current_setting('block_size')::numeric,
    format('of %s, with indexes, as of its last vacuum or analyze', i.inhparent::regclass),
    case when exists (select 1 from nightshift.partition_policies p where p.parent = i.inhparent)
      -- How long an interval should be is for people to say; this shows what the last ones came to.
      then format('select nightshift.check_partition_sizes(%L);', i.inhparent::regclass)
      else format('select inhrelid::regclass, pg_size_pretty(pg_total_relation_size(inhrelid)) from pg_inherits '
        || 'where inhparent = %L::regclass order by 1;', i.inhparent::regclass) end,
    null::numeric, s.partition_alert_bytes::numeric, null::numeric, null::text
  from pg_catalog.pg_class c
  join pg_catalog.pg_inherits i on i.inhrelid = c.oid
  cross join nightshift.settings s
  left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
  left join lateral (
    select sum(ic.relpages) as pages
    from pg_catalog.pg_index ix
    join pg_catalog.pg_class ic on ic.oid = ix.indexrelid
    where ix.indrelid = c.oid
  ) x on true
  where c.relispartition and c.relkind = 'r' and c.relpersistence <> 't'
    and c.relowner in (select o from nightshift.application_owners() o)
    and not exists (
      select 1 from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.inhparent and d.deptype = 'e'
    );
$$;

comment on function nightshift.health_oversized_partitions is
  'Bytes of each partition of the application with its indexes, by the pages that Postgres counted last; the threshold is settings.partition_alert_bytes. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'oversized_partitions',
  title => 'Oversized partitions',
  healthy => 'No partition is over the limit of settings.partition_alert_bytes.',
  why => 'A partition that outgrows memory is as slow to read, vacuum and restore as the table it was to replace.',
  unit => 'bytes'
);

-- supabase/schema/health/checks/partition_horizon.sql

-- Health check partition_horizon: for how many days there are partitions, for each table that is partitioned by time.
-- Why: at the horizon inserts fail, or pile up in the default partition, all at once and usually at midnight.

create or replace function nightshift.health_partition_horizon(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select
    p.parent::text,
    case
      when a.horizon is null then 0
      when isfinite(a.horizon) then round(extract(epoch from a.horizon - (health_partition_horizon.as_of at time zone 'UTC')) / 86400, 3)
    end,
    case
      when a.horizon is null then 'There is no partition for the rows of now.'
      when not isfinite(a.horizon) then format('%s takes all rows from its start on.', a.newest::regclass)
      else to_char(a.horizon, '"There is one for every row until "YYYY-MM-DD HH24:MI" UTC."')
    end || format(' Runs make room for %s, and come every %s.', p.premake * p.every, g.gap),
    -- Room that ends before the next run comes is mended only by more of it.
    case when t.room <= t.gap and t.premake_needed > p.premake
      then format('select nightshift.alter_partition_policy(%L, premake => %s); ', p.parent, t.premake_needed) else '' end
      || format('select nightshift.create_missing_partitions(%L);', p.parent),
    null::numeric, w.days, least(1, w.days / 4), null::text
  from nightshift.partition_policies p
  join nightshift.assess_partitions(
    array(select e.parent::oid from nightshift.partition_policies e where e.enabled), health_partition_horizon.as_of
  ) a on a.parent = p.parent::oid
  cross join nightshift.usual_gap('partition-maintenance') g(gap)
  cross join lateral (
    select extract(epoch from p.premake * p.every) / 86400, extract(epoch from g.gap) / 86400,
      least(ceil(2 * extract(epoch from g.gap) / extract(epoch from p.every)), 100)
  ) t(room, gap, premake_needed)
  -- Half of the room, at most a week; and less than what is left of it when the next run is about to come.
  cross join lateral (
    select case when t.room > t.gap then least(7, t.room / 2, (t.room - t.gap) * 0.75) else t.room / 8 end
  ) w(days)
  -- A table that is gone, or that no policy fits any more, is a matter of policies_broken.
  where a.key_column is not null
  union all
  select
    u.parent::regclass::text,
    case when isfinite(u.ends_at) then greatest(
      round(extract(epoch from u.ends_at - (health_partition_horizon.as_of at time zone 'UTC')) / 86400, 3), 0
    ) end,
    format('It has no partition policy%s; %s, its last partition, ends on %s UTC, and rows after that %s. If none are to come: select nightshift.set_health_threshold(''partition_horizon'', %L);',
      case when u.is_switched_off then ' that is switched on' else '' end, u.newest::regclass,
      to_char(u.ends_at, 'YYYY-MM-DD HH24:MI'),
      case when u.has_default then 'pile up in the default partition' else 'are refused' end, u.parent::regclass::text),
    case when u.is_switched_off then format('select nightshift.alter_partition_policy(%L, enabled => true); ', u.parent::regclass)
        -- Unless the fix of default_partition_rows has done so.
      else format('select nightshift.add_partition_policy(%1$L, %2$L) where not exists (select from nightshift.partition_policies where parent = %1$L::regclass); ',
        u.parent::regclass, nightshift.usual_partition(u.parent)) end
      || format('select nightshift.create_missing_partitions(%L);', u.parent::regclass),
    -- Whether someone else is about to make the next one, or none is wanted, is not known: that is worth a look, not an alarm
    -- at night. What makes them one at a time does so at some time of the last one.
    null::numeric, least(7, coalesce(u.days, 14) / 2), null::numeric, null::text
  from nightshift.partitions_without_policy() u;
$$;

comment on function nightshift.health_partition_horizon is
  'Days until rows have no partition, for each enabled partition policy, and for each table that is partitioned by a date or timestamp and has none; null when they always have one. With a policy the warning is at 7 days, or, where runs make room for less than 14, at half of that, and later where less than that is left before the next run; critical is a quarter of it, at most a day. Without one the warning is at half of its last partition, at most 7 days, and nothing is critical. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'partition_horizon',
  title => 'Partitions ahead',
  healthy => 'Every partitioned table has room for the rows to come.',
  why => 'At the end of the last partition inserts fail, or pile up in the default partition, from one second to the next.',
  unit => 'days', worse => 'lower', warning => 7, critical => 1
);

-- supabase/schema/health/checks/partitions_without_rls.sql

-- Health check partitions_without_rls: partitions that the Data API reaches past the table they belong to.
-- Why: partitions inherit neither row level security nor the lack of a grant, and a partition can be asked for by its name.

create or replace function nightshift.health_partitions_without_rls(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
-- The planner takes thousands of partitions for a handful.
set enable_nestloop = off
as $$
  with recursive role as materialized (
    select r.oid, r.rolname from nightshift.api_roles() a(oid) join pg_catalog.pg_roles r on r.oid = a.oid
  ),
  -- Without a grant, on itself or on a column, it is its owner's alone.
  open as materialized (
    select c.oid, c.relkind, r.oid as role, r.rolname
    from pg_catalog.pg_class c
    cross join role r
    where c.relispartition and c.relkind in ('r', 'p', 'f') and not c.relrowsecurity
      and (c.relacl is not null or c.oid in (select a.attrelid from pg_catalog.pg_attribute a where a.attacl is not null))
      and c.relowner in (select o from nightshift.application_owners() o)
      and has_schema_privilege(r.oid, c.relnamespace, 'usage')
      and (
        has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
        or has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
      )
  ),
  above(partition, relation, level) as (
    select i.inhrelid, i.inhparent, 1
    from pg_catalog.pg_inherits i
    where i.inhrelid in (select o.oid from open o)
    union all
    select a.partition, i.inhparent, a.level + 1
    from above a
    join pg_catalog.pg_inherits i on i.inhrelid = a.relation
  ),
  family as materialized (
    select a.partition,
      (array_agg(a.relation order by a.level))[1] as parent,
      (array_agg(c.relrowsecurity order by a.level))[1] as parent_secured,
      (array_agg(a.relation order by a.level) filter (where c.relrowsecurity))[1] as secured
    from above a
    join pg_catalog.pg_class c on c.oid = a.relation
    group by a.partition
  ),
  -- What each role may do with a partition that is not secured any further up, and with all tables above it: a bit for each of
  -- select, insert, update and delete.
  allowed as materialized (
    select n.relation, r.oid as role, case when has_schema_privilege(r.oid, c.relnamespace, 'usage') then
      has_any_column_privilege(r.oid, c.oid, 'select')::integer
      + 2 * has_any_column_privilege(r.oid, c.oid, 'insert')::integer
      + 4 * has_any_column_privilege(r.oid, c.oid, 'update')::integer
      + 8 * has_table_privilege(r.oid, c.oid, 'delete')::integer
    else 0 end as rights
    from (
      select f.partition from family f where f.secured is null
      union
      select a.relation from family f join above a on a.partition = f.partition where f.secured is null
    ) n(relation)
    join pg_catalog.pg_class c on c.oid = n.relation
    cross join role r
  ),
  allowed_above as (
    select a.partition, l.role, bit_or(l.rights) as rights
    from above a
    join allowed l on l.relation = a.relation
    group by a.partition, l.role
  ),
  judged as (
    select o.oid, o.relkind, f.parent, f.parent_secured, f.secured, o.rolname,
      f.secured is not null or h.rights & ~u.rights <> 0 as exposed
    from open o
    join family f on f.partition = o.oid
    left join allowed h on h.relation = o.oid and h.role = o.role
    left join allowed_above u on u.partition = o.oid and u.role = o.role
  )
  select
    j.oid::regclass::text,
    bool_or(j.exposed)::integer,
    case
      when not bool_or(j.exposed) then format('as open as %s', j.parent::regclass)
      when j.secured is not null then format('%s can reach it past the row level security of %s',
        string_agg(j.rolname, ' and ' order by j.rolname), j.secured::regclass)
      else format('%s can do here what %s does not allow',
        string_agg(j.rolname, ' and ' order by j.rolname) filter (where j.exposed), j.parent::regclass)
    end,
    case
      when not bool_or(j.exposed) then null
      when j.parent_secured and j.parent in (select p.parent from nightshift.partition_policies p)
        then format('select nightshift.secure_partitions(%L);', j.parent::regclass)
      else concat(
        case when j.relkind <> 'f' then format('alter table %s enable row level security; ', j.oid::regclass) end,
        format('revoke all on %s from public, %s;', j.oid::regclass,
          (select string_agg(format('%I', r.rolname), ', ' order by r.rolname) from role r))
      )
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from judged j
  group by j.oid, j.relkind, j.parent, j.parent_secured, j.secured;
$$;

comment on function nightshift.health_partitions_without_rls is
  'For each partition without row level security that a role of the Data API may read or write: 1 where a table above it has row level security, or allows less; 0 where it is no more open than its table. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'partitions_without_rls',
  title => 'Partitions open to the API',
  healthy => 'No partition is more open than its table.',
  why => 'Whoever knows the name of a partition can ask the Data API for it, and sees rows that the policies of the table withhold.',
  unit => 'count', critical => 1
);

-- supabase/schema/health/checks/paused.sql

-- Health check paused: for how long nothing has been kept in order, because someone said so.
-- Why: a pause is for an hour, and is forgotten for a month.

create or replace function nightshift.health_paused(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    'all jobs', greatest(round(extract(epoch from health_paused.as_of - s.paused_at)), 0),
    format('since %s UTC: %s', to_char(s.paused_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(s.paused_reason, 'no reason given')),
    'select nightshift.unpause();',
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.settings s
  where s.paused;
$$;

comment on function nightshift.health_paused is
  'Seconds since nightshift.pause() was called; nothing while jobs may run. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'paused',
  title => 'Pause of all jobs',
  healthy => 'Jobs may run.',
  why => 'While it lasts nothing is purged, refreshed or partitioned, and backlogs grow.',
  -- A pause over night is forgotten, as a rule.
  unit => 'seconds', info => 0, warning => 86400, quick => true
);

-- supabase/schema/health/checks/policies_broken.sql

-- Health check policies_broken: policies whose table or view is gone, or no longer what they were declared for.
-- Why: a renamed column ends a purge for good, and the failure of one among forty tables is easily overlooked.

create or replace function nightshift.health_policies_broken(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.retention_policies;
  unidentified oid[];
  measure nightshift.health_measure;
begin
  for policy in select p.* from nightshift.retention_policies p where p.enabled loop
    measure := null;
    measure.subject := 'retention of ' || (nightshift.describe_retention_policy(policy) ->> 'relation');
    measure.value := 0;
    begin
      perform nightshift.due_by_marker('r', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of);
      unidentified := array(
        select u from nightshift.policy_members(array[policy.relation::oid]) m, unnest(nightshift.without_replica_identity(m.member)) u
      );
      if cardinality(unidentified) > 0 then
        measure.value := 1;
        measure.detail := format('Postgres refuses to delete from %s: a publication has its deletions, and nothing identifies its rows.',
          nightshift.name_some(unidentified));
        measure.fix := format('alter table %s replica identity full;', unidentified[1]::regclass);
      end if;
    exception
      when sqlstate 'NS404' then
        measure.value := 1;
        measure.detail := sqlerrm || '.';
        -- Without its table it can only be called by its number.
        measure.fix := format('select nightshift.remove_retention_policy(%s::oid::regclass);', policy.relation::oid);
      when sqlstate 'NS422' then
        measure.value := 1;
        measure.detail := sqlerrm || '. Where it has another name now, nightshift.alter_retention_policy takes it.';
        measure.fix := format('select nightshift.remove_retention_policy(%L);', policy.relation);
    end;
    return next measure;
  end loop;

  return query
  select
    format('refresh of %s', coalesce(v.view::text, p.view_name)),
    (v.view is null)::integer::numeric,
    case when v.view is null then 'The view is gone, and no other has its name.' end,
    case when v.view is null then format('select nightshift.remove_refresh_policy(%L);', p.view_name) end,
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.refresh_policies p
  cross join nightshift.view_of(p) v(view)
  where p.enabled;

  return query
  select
    format('partitions of %s', coalesce(c.oid::regclass::text, p.parent_name)),
    (s.document is not null)::integer::numeric,
    s.document ->> 'problem' || '.',
    s.document ->> 'fix',
    null::numeric, null::numeric, null::numeric, null::text
  from nightshift.partition_policies p
  left join pg_catalog.pg_class c on c.oid = p.parent
  left join nightshift.describe_partition_sets(array(
    select b.parent::oid from nightshift.partition_policies b
    where b.enabled and (nightshift.partition_key(b.parent)).column_name is null
  ), as_of) s on s.parent = p.parent
  where p.enabled;
end;
$$;

comment on function nightshift.health_policies_broken is
  '1 for each enabled policy, of any kind, whose table or view is gone or no longer fits it, else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'policies_broken',
  title => 'Policies that fit no more',
  healthy => 'Every policy fits its table or view.',
  why => 'Nothing is purged, refreshed or partitioned there any more, whatever the policy promises.',
  unit => 'count', critical => 1, quick => true
);

-- supabase/schema/health/checks/read_only.sql

-- Health check read_only: whether nothing can be written to this database.
-- Why: Supabase takes a project out of writing when its disk is full, and reading goes on as if nothing were.

create or replace function nightshift.health_read_only(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    'database ' || quote_ident(current_database()),
    case when r.replica or r.read_only then 1 else 0 end,
    case
      when r.replica then 'It is a replica, or is being recovered.'
      when r.read_only then 'Transactions are read-only by default, as when the disk is full.'
      else 'It can be written to.'
    end,
    -- Where the role itself was made read-only that goes first.
    case when r.read_only and not r.replica
      then 'set session characteristics as transaction read write; -- free space first, then: set default_transaction_read_only = off'
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from (
    select pg_is_in_recovery() as replica, current_setting('default_transaction_read_only')::boolean as read_only
  ) r;
$$;

comment on function nightshift.health_read_only is
  '1 when this database is a replica or its transactions are read-only by default, else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'read_only',
  title => 'Read-only database',
  healthy => 'The database can be written to.',
  why => 'Every write of the application fails, and those of the night shift with it, until there is space again.',
  unit => 'count', critical => 1, quick => true
);

-- supabase/schema/health/checks/replication_lag.sql

-- Health check replication_lag: how far those who replicate from this server are behind it.
-- Why: what they have not confirmed is kept on disk here, and missing over there.

create or replace function nightshift.health_replication_lag(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.require_statistics();
  return query
  select
    coalesce(format('slot %I', s.slot_name),
      format('%s at %s', coalesce(nullif(r.application_name, ''), r.usename), coalesce(host(r.client_addr), 'this machine'))),
    greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), reached.lsn), 0),
    concat_ws('; ',
      coalesce(r.state || ' to ' || coalesce(nullif(r.application_name, ''), r.usename), format('read by pid %s', s.active_pid)),
      pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), r.sent_lsn)) || ' of it not sent yet',
      'the last confirmation took ' || date_trunc('milliseconds', coalesce(r.replay_lag, r.flush_lag))),
    'select pid, application_name, state, sent_lsn, flush_lsn, replay_lsn, replay_lag from pg_stat_replication;',
    null::numeric, null::numeric, null::numeric, null::text
  from pg_catalog.pg_stat_replication r
  full join (select * from pg_catalog.pg_replication_slots where active) s on s.active_pid = r.pid
  cross join lateral (
    select coalesce(r.replay_lsn, r.flush_lsn, s.confirmed_flush_lsn, s.restart_lsn, r.write_lsn, r.sent_lsn) as lsn
  ) reached
  -- A base backup, or one who is only just connecting, has not reached anything.
  where reached.lsn is not null and r.state is distinct from 'backup';
end;
$$;

comment on function nightshift.health_replication_lag is
  'Bytes of WAL that each standby, subscriber or reader of an active slot has not confirmed. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'replication_lag',
  title => 'Replication lag',
  healthy => 'Everyone who replicates from here keeps up.',
  why => 'What a replica has not confirmed is kept on disk here, and is missing from what is read there.',
  unit => 'bytes', warning => 104857600, critical => 1073741824, quick => true
);

-- supabase/schema/health/checks/sequences.sql

-- Health check sequences: how much of their numbers the sequences have used.
-- Why: on the day an integer key runs out every insert into its table fails, and to mend it rewrites the table.
-- Locks: access share on one sequence at a time, for as long as it takes to read, and
--        row exclusive until the end on those that someone else could exchange for a view meanwhile.

create or replace function nightshift.health_sequences(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '20ms'
as $$
declare
  candidate record;
  measure nightshift.health_measure;
  last_value bigint;
  share numeric;
begin
  for candidate in
    with recursive used as (
      -- Owned: serial and identity. Or by a default alone, which does not say that the column is the narrower of the two.
      select s.seqrelid as sequence, d.refobjid as relation, d.refobjsubid as column
      from pg_catalog.pg_sequence s
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.seqrelid and d.objsubid = 0
      where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
      union
      select s.seqrelid, f.adrelid, f.adnum
      from pg_catalog.pg_sequence s
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = s.seqrelid
      join pg_catalog.pg_attrdef f on f.oid = d.objid
      where d.classid = 'pg_catalog.pg_attrdef'::regclass
    ),
    -- And all columns that refer to one of these, which have to hold the same numbers.
    held(sequence, relation, "column", distance) as (
      select u.sequence, u.relation, u.column::smallint, 0 from used u
      union
      select h.sequence, k.conrelid, r.column, h.distance + 1
      from held h
      join pg_catalog.pg_constraint k on k.confrelid = h.relation and k.contype = 'f' and k.conparentid = 0
      cross join lateral unnest(k.confkey, k.conkey) r(referred, "column")
      -- A key may lead back to where it came from.
      where r.referred = h.column and h.distance < 8
    ),
    taker as (
      select u.sequence, u.relation, u.distance, a.attname, u.distance = 0 and a.attidentity <> '' as is_identity,
        case coalesce(nullif(t.typbasetype, 0), t.oid)
          when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 else 9223372036854775807 end as most,
        format_type(a.atttypid, a.atttypmod) as type
      from (
        select h.sequence, h.relation, h.column, min(h.distance) as distance from held h group by h.sequence, h.relation, h.column
      ) u
      join pg_catalog.pg_attribute a on a.attrelid = u.relation and a.attnum = u.column
      join pg_catalog.pg_type t on t.oid = a.atttypid
      -- A partition has its columns, and their types, from its parent.
      where a.attinhcount = 0
    ),
    narrowest as (
      select k.sequence, min(k.most) as most, bool_or(k.is_identity) as is_identity,
        string_agg(format('%s.%I (%s)', k.relation::regclass, k.attname, k.type), ', ' order by k.distance, k.relation)
          filter (where k.distance = 0 or k.most = k.least_most) as columns,
        -- What refers to a column first, or it could not hold what that takes.
        string_agg(format('alter table %s alter column %I type bigint;', k.relation::regclass, k.attname), ' '
          order by k.distance desc, k.relation) filter (where k.most < 9223372036854775807) as widening
      from (select t.*, min(t.most) over (partition by t.sequence) as least_most from taker t) k
      group by k.sequence
    ),
    bounded as (
      select s.*, n.most, n.is_identity, n.columns, n.widening, s.seqincrement > 0 as ascends,
        case when s.seqincrement > 0 then least(s.seqmax, n.most) else greatest(s.seqmin, -n.most - 1) end::numeric as last_possible,
        case when s.seqincrement > 0 then greatest(s.seqmin, least(s.seqstart, 0))
          else least(s.seqmax, greatest(s.seqstart, 0)) end::numeric as first_possible
      from pg_catalog.pg_sequence s
      left join narrowest n on n.sequence = s.seqrelid
    )
    select b.*, b.seqrelid::regclass::text as name,
      -- Where someone else may drop it, its name may soon be that of a view of theirs, whose functions would run with our rights.
      pg_has_role(c.relowner, current_user::regrole, 'usage') and pg_has_role(s.owner, current_user::regrole, 'usage') as is_safe,
      (case when b.ascends then b.seqmax else -b.seqmin - 1 end) >= b.most as column_is_first
    from bounded b
    join pg_catalog.pg_class c on c.oid = b.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select case n.nspowner when 'pg_database_owner'::regrole then (
        select d.datdba from pg_catalog.pg_database d where d.datname = current_database()
      ) else n.nspowner end
    ) s(owner)
    where c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')
      -- Nobody uses up a bigint.
      and b.last_possible not in (9223372036854775807, -9223372036854775808)
      -- One that starts again at its end never runs out, unless the column is full before.
      and not (b.seqcycle and b.last_possible = case when b.ascends then b.seqmax else b.seqmin end)
      and b.last_possible <> b.first_possible
  loop
    measure := null;
    measure.subject := candidate.name;
    begin
      if candidate.is_safe then
        execute format('select s.last_value from %s s', nightshift.trusted_name(candidate.seqrelid)) into last_value;
      elsif coalesce(has_sequence_privilege(candidate.seqrelid, 'select, usage'), true) then
        -- By its oid: it is the sequence, or nothing. One that has given no number yet has none.
        last_value := coalesce(pg_sequence_last_value(candidate.seqrelid), candidate.seqstart);
      else
        raise exception using errcode = '42501';
      end if;
      -- Locks last as long as the transaction does; undone, this part of it keeps none. There may be thousands of sequences.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        share := (last_value - candidate.first_possible) / (candidate.last_possible - candidate.first_possible);
        measure.value := greatest(round(100 * share, 1), 0);
        measure.detail := format('at %s of %s%s', last_value, candidate.last_possible, ', for ' || candidate.columns);
        if candidate.column_is_first then
          measure.detail := measure.detail
            || '. The fix rewrites each table that it widens, and blocks it meanwhile';
          measure.fix := candidate.widening
            || case when candidate.is_identity then ''
              else format(' alter sequence %s as bigint %s;', candidate.name,
                case when candidate.ascends then 'no maxvalue' else 'no minvalue' end) end;
        else
          measure.fix := format('alter sequence %s%s %s;', candidate.name,
            case candidate.most when 32767 then ' as smallint' when 2147483647 then ' as integer' else ' as bigint' end,
            case when candidate.ascends then 'no maxvalue' else 'no minvalue' end);
        end if;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on sequence %s to %I;', candidate.name, current_user);
      when undefined_table or syntax_error or wrong_object_type or internal_error or sqlstate 'NS404' or sqlstate 'NS422' then
        -- It was dropped just now, perhaps before its name could be read.
        continue;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_sequences is
  'Numbers used in percent of those that the sequence, the columns that take their values from it, and those that refer to them can hold. Sequences with the whole range of bigint are left out. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'sequences',
  title => 'Numbers left in sequences',
  healthy => 'No sequence is about to run out of numbers.',
  why => 'When an integer key is used up, every insert fails, and making room rewrites the whole table: a job for a quiet night, not for that morning.',
  unit => 'percent', info => 50, warning => 75, critical => 90
);

-- supabase/schema/health/checks/slow_statements.sql

-- Health check slow_statements: the mean time of the statements that this database runs often.
-- Why: a statement that became slow is felt by everyone who waits for it, and is seldom the one that is suspected.

create or replace function nightshift.health_slow_statements(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  home name;
begin
  perform nightshift.require_statistics();
  select n.nspname into home
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_stat_statements';
  if not found then
    raise exception using
      errcode = 'NS424',
      message = 'The extension pg_stat_statements is not installed',
      hint = 'create extension pg_stat_statements with schema extensions;';
  end if;

  return query execute format(
    $query$
    select
      format('statement %%s', t.queryid),
      round((t.total_exec_time / t.calls)::numeric, 1),
      format('%%s calls in %%s s altogether, by %%s', t.calls, round(t.total_exec_time::numeric / 1000), t.roles),
      'select r.rolname, s.calls, s.mean_exec_time, s.query from %1$I.pg_stat_statements s'
        || format(' join pg_roles r on r.oid = s.userid where s.queryid = %%s;', t.queryid),
      null::numeric, null::numeric, null::numeric, null::text
    from (
      select s.queryid, sum(s.calls) as calls, sum(s.total_exec_time) as total_exec_time,
        string_agg(distinct coalesce(r.rolname, 'a role that is gone'), ', ') as roles, coalesce(min(s.query), '') as text
      from %2$s s
      left join pg_catalog.pg_roles r on r.oid = s.userid
      where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
        and s.queryid is not null
        -- Supabase's own: what PostgREST runs before it takes the role of a request, Auth, Storage, the pooler. Nobody else can
        -- mend these.
        and coalesce(r.rolname, '') !~ '^supabase_|^(authenticator|dashboard_user|pgbouncer)$'
      group by s.queryid
      having sum(s.calls) >= 100
    ) t
    -- The text is looked at to leave out what is slow by nature, and Nightshift's own; it never leaves here.
    where t.text !~* '^\s*(vacuum|analyze|create|alter|drop|reindex|cluster|refresh|truncate|copy|import)\M'
      and t.text !~ '\mnightshift"?\.'
      -- Nor what reads the catalog, as dashboards, exporters and tools of migrations do.
      and t.text !~* '\m(from|join)\s+("?pg_catalog"?\s*\.\s*)?"?pg_\w+\M"?(?!\s*\()'
      and t.text !~* '\minformation_schema"?\s*\.'
      and t.text !~* '^\s*(--|/\*)\s*source: dashboard'
    $query$,
    home, nightshift.trusted_name(to_regclass(format('%I.pg_stat_statements', home)))
  );
exception
  when object_not_in_prerequisite_state then
    raise exception using
      errcode = 'NS424',
      message = 'pg_stat_statements is not among the shared_preload_libraries, and counts nothing',
      hint = format('alter system set shared_preload_libraries = %s; -- and then restart the server', (
        select string_agg(quote_literal(trim(both ' "' from l)), ', ' order by n)
        from string_to_table(concat_ws(',', nullif(current_setting('shared_preload_libraries'), ''), 'pg_stat_statements'), ',')
          with ordinality libraries(l, n)
      ));
  when undefined_column then
    raise exception using
      errcode = 'NS424',
      message = 'The extension pg_stat_statements is of an old version',
      hint = 'alter extension pg_stat_statements update;';
end;
$$;

comment on function nightshift.health_slow_statements is
  'Mean milliseconds of each statement that was called at least 100 times in this database, by pg_stat_statements; without DDL, COPY, VACUUM and the like, and without what names the schema nightshift, reads the catalog, or is run by the roles of Supabase itself (supabase_..., authenticator, dashboard_user, pgbouncer). Its text is never part of it. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'slow_statements',
  title => 'Slow statements',
  healthy => 'No statement that runs often is slow.',
  why => 'A statement that is slow every time costs its callers their patience and everyone else the machine; most need an index or fewer rows.',
  unit => 'milliseconds', info => 20, warning => 500, critical => 1000
);

-- supabase/schema/health/checks/soft_deleted_share.sql

-- Health check soft_deleted_share: how much of each table is deleted rows that wait for their time.
-- Why: every query and index carries them, and when they are most of the table, retention is long or nothing is purged.
-- Locks: at run time ACCESS SHARE on tables that were never analyzed, for a moment.

create or replace function nightshift.health_soft_deleted_share(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  policies oid[] := array(select p.relation::oid from nightshift.soft_delete_policies() p);
  names name[] := array(
    select c.relname
    from unnest(policies) p(relation), nightshift.all_leaf_relations(p.relation) l(leaf), pg_catalog.pg_class c
    where c.oid = l.leaf
  );
  share record;
  measure nightshift.health_measure;
begin
  for share in
    -- Once for all: pg_stats can be read by many names, but not again for each table.
    with statistic as materialized (
      select v.schemaname, v.tablename, v.attname, v.null_frac, m.never, m.flagged
      from pg_catalog.pg_stats v
      left join lateral (
        select sum(f.freq) filter (where f.value = '-infinity') as never, sum(f.freq) filter (where f.value = 't') as flagged
        from unnest(v.most_common_vals::text::text[], v.most_common_freqs) f(value, freq)
      ) m on true
      where v.tablename = any(names) and not v.inherited
    )
    -- Of each partition: autovacuum analyzes those, and never the table that they are part of.
    select
      p.relation, p.drop_after,
      sum(c.reltuples) filter (where s.attname is not null) as rows_known,
      sum(c.reltuples * case when p.flag_column is null then 1 - s.null_frac - coalesce(s.never, 0)
        else coalesce(s.flagged, 0) end) as rows_deleted,
      array_agg(c.oid) filter (where s.attname is null) as unknown_leaves
    from nightshift.retention_policies p
    cross join lateral nightshift.all_leaf_relations(p.relation) l(leaf)
    cross join lateral (
      select r.oid, r.relname, r.reltuples, n.nspname
      from pg_catalog.pg_class r
      join pg_catalog.pg_namespace n on n.oid = r.relnamespace
      where r.oid = l.leaf
      offset 0
    ) c
    left join statistic s on s.schemaname = c.nspname and s.tablename = c.relname
      and s.attname = coalesce(p.flag_column, p.marker_column) and c.reltuples >= 0
    where p.relation::oid = any(policies)
    group by p.relation, p.drop_after
    order by p.relation::text
  loop
    measure := null;
    measure.subject := share.relation::text;
    begin
      if share.rows_known > 0 then
        measure.value := round(100 * share.rows_deleted::numeric / share.rows_known::numeric, 1);
        measure.detail := format('About %s of %s rows, as of the last analyze; each stays for %s.',
          round(share.rows_deleted), round(share.rows_known), share.drop_after);
        measure.fix := 'select p ->> ''relation'' as relation, p ->> ''dueRows'' as due, p ->> ''totalRows'' as total '
          || 'from jsonb_array_elements(nightshift.list_retention_policies()) p;';
      end if;
      if exists (
        select 1 from unnest(share.unknown_leaves) u(leaf)
        where not has_table_privilege(u.leaf, 'select') or row_security_active(u.leaf)
      ) then
        measure.problem := format('%I may not read its statistics.', current_user);
        measure.fix := format('grant select on %s to %I;', share.relation, current_user);
      elsif (
        select sum(pg_relation_size(u.leaf)) > 10000 * current_setting('block_size')::bigint from unnest(share.unknown_leaves) u(leaf)
      ) then
        measure.problem := 'It was never analyzed.';
        measure.fix := format('analyze %s;', share.relation);
      end if;
    exception
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
    end;
    if measure.value is not null or measure.problem is not null then
      return next measure;
    end if;
  end loop;
end;
$$;

comment on function nightshift.health_soft_deleted_share is
  'Deleted rows in percent of all rows of a table, by the statistics of the planner, for policies whose marker says that a row was deleted (see soft_delete_policies). A table that was never analyzed is left out, or unknown when it has more than 10,000 pages. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'soft_deleted_share',
  title => 'Share of deleted rows',
  healthy => 'No table consists mostly of deleted rows.',
  why => 'Queries and indexes carry deleted rows along until they are purged; a shorter time to keep them makes both smaller.',
  unit => 'percent', info => 50
);

-- supabase/schema/health/checks/soft_deletes.sql

-- Health check soft_deletes: how many rows were marked as deleted in the last hour.
-- Why: a script that went wrong is found while its rows can still be restored, and not when they are purged.
-- Locks: at run time ACCESS SHARE on the tables with a policy, for a moment.

create or replace function nightshift.health_soft_deletes(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  policy nightshift.retention_policies;
  measure nightshift.health_measure;
begin
  for policy in
    select p.* from nightshift.soft_delete_policies() p
    -- A date does not say in which hour.
    where nightshift.column_type(p.relation, p.marker_column) <> 'date'::regtype
    order by p.relation::text
  loop
    measure := null;
    measure.subject := policy.relation::text;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      perform nightshift.require_marker_index(policy);
      execute format(
        'select count(*) from (select from %s r where %s and r.%I >= %L limit 100000) n',
        nightshift.scan_of(policy.relation),
        nightshift.due_by_marker('r', policy.relation, '0', policy.marker_column, policy.flag_column, as_of),
        policy.marker_column, (as_of - interval '1 hour')::text
      ) into measure.value;
      measure.detail := format('%s in the hour before %s UTC; they can be restored for %s.',
        case when measure.value = 100000 then '100,000 or more' else measure.value::text end,
        to_char(as_of, 'YYYY-MM-DD HH24:MI'), policy.drop_after);
      measure.fix := format(
        'select date_trunc(''minute'', %1$I) as minute, count(*) from %2$s '
        || 'where %1$I > now() - interval ''2 hours''%3$s group by 1 order by 1;',
        policy.marker_column, policy.relation, ' and ' || quote_ident(policy.flag_column));
      -- Undone, a look keeps no lock: on the partitions of all tables at once there may be more than there is room for.
      raise exception using errcode = 'NS200';
    exception
      when sqlstate 'NS200' then
        null;
      when lock_not_available then
        measure.problem := 'Another session holds a lock on it.';
      when insufficient_privilege then
        measure.problem := format('%I may not read it.', current_user);
        measure.fix := format('grant select on %s to %I;', policy.relation, current_user);
      when sqlstate 'NS404' or sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_soft_deletes is
  'Rows marked as deleted in the hour before as_of, by table, counted up to 100,000: of policies whose marker says that a row was deleted (see soft_delete_policies); not where it is a date, which has no hours. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'soft_deletes',
  title => 'Rows deleted in the last hour',
  healthy => 'No more rows are being deleted than usual.',
  why => 'A script or a user that deletes by mistake is stopped while the rows can still be restored.',
  unit => 'count', warning => 100, quick => true
);

-- supabase/schema/health/checks/stale_views.sql

-- Health check stale_views: how old the data of each view with a refresh policy is, against its budget.
-- Why: a view that is refreshed no more answers as fast as ever, and wrongly.

create or replace function nightshift.health_stale_views(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    v.view::text,
    case when not n.unknown then a.seconds end,
    format('Its data may be %s old. %s', p.max_staleness, case
      when p.data_as_of is not null then to_char(p.data_as_of at time zone 'UTC', '"It is that of "YYYY-MM-DD HH24:MI" UTC."')
      else to_char(p.created_at at time zone 'UTC',
        '"It has not been refreshed since its policy was declared, "YYYY-MM-DD HH24:MI" UTC."') end),
    case
      when not u.declared then format('select nightshift.add_refresh_policy(%L);', u.source)
      when n.unknown or a.seconds >= b.seconds then nightshift.fix_of_stale_view(p)
    end,
    null::numeric, b.seconds, 2 * b.seconds,
    case when n.unknown then 'How old its data is nobody knows: ' || case
      when not u.declared then format('it is made from %s, which has no refresh policy.', u.source)
      when u.declared then format('it is made from %s, which has not been refreshed by its policy yet.', u.source)
      else 'when it was refreshed, that of what it is made from was not known.' end end
  from nightshift.refresh_policies p
  cross join nightshift.view_of(p) v(view)
  cross join lateral (select
    round(greatest(extract(epoch from health_stale_views.as_of - coalesce(p.data_as_of, p.created_at)), 0))) a(seconds)
  cross join lateral (select extract(epoch from p.max_staleness)) b(seconds)
  cross join lateral (select p.data_as_of is null and p.last_refreshed_at is not null) n(unknown)
  left join lateral (
    select r.relation, o.view is not null
    from nightshift.view_reads(v.view) r
    left join nightshift.refresh_policies o on nightshift.view_of(o) = r.relation
    where n.unknown and r.kind = 'm' and o.data_as_of is null
    order by o.view is not null, r.relation::text
    limit 1
  ) u(source, declared) on true
  -- That a view is gone is said by policies_broken.
  where p.enabled and v.view is not null;
$$;

comment on function nightshift.health_stale_views is
  'Seconds of age of the data of a view with an enabled refresh policy, as list_refresh_policies has it; before its first refresh, since the policy was declared. The warning is at its max_staleness, critical is twice that. Unknown where it is made from a view whose age is not known. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'stale_views',
  title => 'Age of the data of views',
  healthy => 'No view is past its max_staleness.',
  why => 'A view that is refreshed no more answers as fast as ever, with the figures of last week.',
  -- Those of the default of max_staleness, 26 hours; each view has its own.
  unit => 'seconds', warning => 93600, critical => 187200
);

-- supabase/schema/health/checks/transaction_id_age.sql

-- Health check transaction_id_age: how much of the supply of transaction ids has been used since rows were last frozen.
-- Why: a server that runs out of them takes no more writes, in any of its databases, until a vacuum is through.

create or replace function nightshift.health_transaction_id_age(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with supply as (select 2147483648 as ids),
  relation as materialized (
    select c.oid, n.nspname, c.relname, c.relpersistence, c.relpages + coalesce(t.relpages, 0) as pages,
      greatest(age(c.relfrozenxid), age(t.relfrozenxid)) as xids,
      greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) as mxids
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm') and c.relfrozenxid <> '0'::xid
  ),
  -- By default autovacuum freezes from 9.3 percent on; what is beyond has been left over. Nobody but its session can
  -- vacuum a temporary table.
  old as materialized (
    select r.*, format('%I.%I', r.nspname, r.relname) as name, greatest(r.xids, r.mxids) as age
    from relation r, supply s
    where greatest(r.xids, r.mxids) > 0.1 * s.ids and r.relpersistence <> 't'
  ),
  oldest as (
    select format('%I.%I', r.nspname, r.relname) as name, greatest(r.xids, r.mxids) as age
    from relation r
    order by 2 desc
    limit 1
  )
  select (
    format('database %I', d.datname),
    round(100.0 * greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) / s.ids, 3),
    format('%s transactions and %s multixacts of %s', age(d.datfrozenxid), mxid_age(d.datminmxid), s.ids)
      || case when d.datname = current_database() then (select format('; the oldest table is %s', o.name) from oldest o)
        else '; another database of this server' end,
    case
      when d.datname <> current_database() then format('/* in database %I */ vacuum (freeze);', d.datname)
      else format('vacuum (freeze)%s;', (
        select ' ' || string_agg(o.name, ', ' order by o.age desc)
        from (select * from old order by old.age desc limit 10) o
      ))
    end,
    null, null, null, null
  )::nightshift.health_measure
  from pg_catalog.pg_database d, supply s
  union all
  select (
    o.name,
    round(100.0 * o.age / s.ids, 3),
    format('%s transactions and %s multixacts of %s, over %s', o.xids, o.mxids, s.ids,
      pg_size_pretty(o.pages::bigint * current_setting('block_size')::integer)),
    format('vacuum (freeze) %s;', o.name),
    null, null, null, null
  )::nightshift.health_measure
  from old o, supply s
  union all
  -- Each multixact has members, and these run out on their own, at twice as many: few multixacts of many sessions do.
  select (
    'multixact members',
    round(100.0 * m.members / (2 * s.ids), 3),
    case when m.members is null then format('%I may not list the files that hold them', current_user)
      else format('about %s of %s; they go when the tables with the oldest multixacts are frozen', m.members, 2 * s.ids) end,
    (
      select format('vacuum (freeze) %s;', string_agg(r.name, ', ' order by r.mxids desc))
      from (
        select format('%I.%I', r.nspname, r.relname) as name, r.mxids from relation r
        where r.mxids > 0 and r.relpersistence <> 't' order by r.mxids desc limit 10
      ) r
    ),
    null, null, null, null
  )::nightshift.health_measure
  from nightshift.multixact_members() m(members), supply s;
$$;

comment on function nightshift.health_transaction_id_age is
  'Age of the oldest transaction id or multixact in percent of the 2^31 there are, of each database of the server, and in this one of each table (with its TOAST) that is over 10 percent; and the members of multixacts in percent of 2^32, where a role may list their files: a superuser, or one who was granted pg_ls_dir(text). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'transaction_id_age',
  title => 'Age of transaction ids',
  healthy => 'Rows are frozen in time.',
  why => 'When the ids run out, the server refuses every write until a vacuum is through; autovacuum that cannot keep up, or is held back, gets it there.',
  unit => 'percent', warning => 50, critical => 80
);

-- supabase/schema/health/checks/unused_indexes.sql

-- Health check unused_indexes: indexes that no query has read since statistics began.
-- Why: each one is written with every row, and keeps updates from being heap-only.

create or replace function nightshift.health_unused_indexes(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- A month's end, and the days around it: what is read once a month has been read by then.
  with recursive observed(days) as (select 35),
  part(index, root) as (
    select c.oid, c.oid from pg_catalog.pg_class c where c.relkind = 'I' and not c.relispartition
    union all
    select i.inhrelid, p.root
    from part p
    join pg_catalog.pg_inherits i on i.inhparent = p.index
  ),
  -- One that makes rows unique, as that of a primary key and of a replica identity does, works without being read.
  unread as materialized (
    select x.indexrelid as index, c.relpages as pages
    from pg_catalog.pg_class c
    join pg_catalog.pg_index x on x.indexrelid = c.oid
    where c.relkind = 'i' and not c.relispartition
      -- Smaller ones cost nothing.
      and c.relpages > 16
      and x.indrelid >= 16384::oid and not x.indisunique and not x.indisexclusion
      and pg_stat_get_numscans(c.oid) = 0
    union all
    -- A partitioned index is one: it is in use when any of its parts is.
    select p.root, sum(c.relpages)
    from part p
    join pg_catalog.pg_class c on c.oid = p.index
    join pg_catalog.pg_index x on x.indexrelid = p.root
    where not x.indisunique and not x.indisexclusion
    group by p.root
    having sum(c.relpages) > 16 and sum(pg_stat_get_numscans(c.oid)) = 0
  ),
  -- A crash empties the statistics of the tables, and is to be seen in those of the server.
  began(at) as (
    select coalesce(pg_stat_get_db_stat_reset_time(d.oid), pg_stat_get_bgwriter_stat_reset_time())
    from pg_catalog.pg_database d
    where d.datname = current_database()
  ),
  -- Numbers of objects ascend: what is above the highest of a day was made since.
  known(newest_oid) as (
    select s.newest_oid
    from nightshift.database_sizes s, observed o
    where s.newest_oid is not null
    order by s.measured_on > (health_unused_indexes.as_of at time zone 'UTC')::date - o.days,
      abs(s.measured_on - (health_unused_indexes.as_of at time zone 'UTC')::date + o.days)
    limit 1
  )
  select
    'all indexes', null::numeric,
    format('Not known yet: statistics began on %s, and what is read once a month may not have been read since', to_char(b.at, 'YYYY-MM-DD')),
    null::text, null::numeric, null::numeric, null::numeric, null::text
  from began b, observed o
  where b.at > health_unused_indexes.as_of - make_interval(days => o.days)
  union all
  select
    u.index::regclass::text,
    u.pages * current_setting('block_size')::bigint,
    -- Nobody knows when an index was made that is older than Nightshift's notes, so this is never more than advice.
    format('on %s; not read since statistics began, %s (%s days ago), or since it was made; what replicas read does not count',
      t.oid::regclass, to_char(b.at, 'YYYY-MM-DD'), extract(day from health_unused_indexes.as_of - b.at)),
    format('drop index %s%s;', case when c.relkind <> 'I' then 'concurrently ' end, c.oid::regclass),
    null::numeric, null::numeric, null::numeric, null::text
  from unread u
  cross join observed o
  join began b on b.at <= health_unused_indexes.as_of - make_interval(days => o.days)
  join pg_catalog.pg_class c on c.oid = u.index
  join pg_catalog.pg_index x on x.indexrelid = u.index
  join pg_catalog.pg_class t on t.oid = x.indrelid
  where x.indisvalid and x.indislive
    and (u.index <= (select k.newest_oid from known k)) is not false
    and t.oid in (select a from nightshift.application_tables() a)
    -- What another check says to drop, or relies on.
    and u.index not in (select unnest(array[r.index, r.other]) from nightshift.redundant_indexes() r)
    and u.index not in (select p from nightshift.parts_of_invalid_indexes() p)
    -- What a foreign key or a retention policy relies on, however seldom: without it they would be reported.
    and not exists (
      select 1 from pg_catalog.pg_constraint k
      where k.conrelid = t.oid and k.contype = 'f' and x.indkey[0] = any(k.conkey)
    )
    and not exists (
      select 1 from nightshift.retention_policies r
      join pg_catalog.pg_attribute a on a.attrelid = r.relation and a.attname = r.marker_column
      where r.relation = t.oid and a.attnum = any((x.indkey::smallint[])[0:x.indnkeyatts - 1])
    );
$$;

comment on function nightshift.health_unused_indexes is
  'The size of each index over 128 kB, as of its last vacuum, that was never read; a partitioned index is one, with the size of all its parts. Not: unique ones, those that a foreign key or a retention policy relies on, those that duplicate_indexes or invalid_indexes speaks of, and those known to be made in the last 35 days; none while statistics are younger than 35 days. Advice only: nobody knows when an older index was made. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'unused_indexes',
  title => 'Indexes nobody reads',
  healthy => 'Every index of some size is read.',
  why => 'Each index makes every write slower and takes disk and memory; one that no query reads gives nothing for it.',
  unit => 'bytes', info => 10485760
);

-- supabase/schema/health/checks/views_exposed.sql

-- Health check views_exposed: materialized views that the Data API can read.
-- Why: there is no row level security on them, so each role sees what their owner saw.

create or replace function nightshift.health_views_exposed(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with role as materialized (
    select r.oid, r.rolname from nightshift.api_roles() a(oid) join pg_catalog.pg_roles r on r.oid = a.oid
  )
  select
    c.oid::regclass::text,
    (e.roles is not null)::integer,
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

-- supabase/schema/health/checks/views_not_populated.sql

-- Health check views_not_populated: materialized views that hold nothing and cannot be read.
-- Why: a query on one is an error until it is refreshed for the first time.

create or replace function nightshift.health_views_not_populated(as_of timestamptz)
returns setof nightshift.health_measure
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
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
    (not c.relispopulated)::integer,
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

-- supabase/schema/health/job.sql

-- It runs every five minutes; a week later, one such run says little.
select nightshift.declare_job('health-check', runs_while_paused => true, runs_kept => '7 days');

-- supabase/schema/partition/job.sql

select nightshift.declare_job('partition-maintenance', policies => 'nightshift.partition_policies');

-- supabase/schema/refresh/job.sql

select nightshift.declare_job('view-refresh', policies => 'nightshift.refresh_policies');

-- supabase/schema/retention/job.sql

select nightshift.declare_job('retention-purge', policies => 'nightshift.retention_policies');

-- supabase/schema/access/rights.sql

-- Who may do what, in one place: nobody but the roles named here may use, call, read or write anything.
-- The whole list is granted anew each time, so a grant made from elsewhere does not outlive an upgrade.

revoke all on schema nightshift from public, anon, authenticated, service_role, nightshift_runner;
revoke all on all routines in schema nightshift from public, anon, authenticated, service_role, nightshift_runner;
revoke all on
  nightshift.database_sizes, nightshift.default_exclusions, nightshift.deletion_events, nightshift.health_checks, nightshift.health_thresholds, nightshift.jobs,
  nightshift.migrations, nightshift.partition_policies, nightshift.purge_counted, nightshift.purge_decisions,
  nightshift.purge_pending, nightshift.purge_released,
  nightshift.refresh_policies, nightshift.retention_keys, nightshift.retention_policies, nightshift.retired_partitions,
  nightshift.runs, nightshift.settings, nightshift.soft_delete_cascades, nightshift.soft_delete_tables, nightshift.view_refreshes
from public, anon, authenticated, service_role, nightshift_runner;
revoke all on sequence
  nightshift.deletion_events_id_seq, nightshift.fences, nightshift.health_thresholds_id_seq, nightshift.retired_partitions_id_seq,
  nightshift.view_refreshes_id_seq
from public, anon, authenticated, service_role, nightshift_runner;
revoke all on type nightshift.partition_state from public;
revoke all on type nightshift.ddl_step from public;
revoke all on type nightshift.held_row from public;
revoke all on type nightshift.moved_row from public;
revoke all on type nightshift.released_row from public;
revoke all on type nightshift.row_set from public;
revoke all on type nightshift.soft_delete_rules from public;

grant usage on schema nightshift to service_role, nightshift_runner;

-- Jobs, and how they and the database are. The holder of a runner's token can do nothing that tonight's run would not do.
grant execute on function
  nightshift.begin_detach, nightshift.begin_run, nightshift.cancel_run, nightshift.check_health, nightshift.create_partitions,
  nightshift.describe_installation, nightshift.describe_jobs, nightshift.drop_retired_partitions,
  nightshift.exclude_from_default, nightshift.find_run, nightshift.finish_detach, nightshift.finish_run, nightshift.get_health, nightshift.get_run,
  nightshift.heartbeat_run, nightshift.list_partition_policies, nightshift.list_refresh_policies,
  nightshift.list_retention_policies, nightshift.list_runs, nightshift.measure_default_partition,
  nightshift.measure_retention_backlog, nightshift.measure_retention_backlogs, nightshift.plan_partition_maintenance, nightshift.plan_retention_purge,
  nightshift.plan_view_refresh, nightshift.preview_retention_purge, nightshift.preview_retirement, nightshift.purge_batch,
  nightshift.record_refresh_failure, nightshift.refresh_view, nightshift.release_default, nightshift.resume_run,
  nightshift.retire_partitions, nightshift.validate_default
to service_role, nightshift_runner;

-- Policies, pauses, thresholds and what undoes a run: these decide what may go, so they are for people.
grant execute on function
  nightshift.add_partition_policy, nightshift.add_refresh_policy, nightshift.add_retention_policy,
  nightshift.adopt_refresh_policies, nightshift.alter_partition_policy, nightshift.alter_refresh_policy,
  nightshift.alter_retention_policy, nightshift.check_partition_sizes, nightshift.pause,
  nightshift.reattach_partition, nightshift.remove_health_threshold, nightshift.remove_partition_policy,
  nightshift.remove_refresh_policy, nightshift.remove_retention_policy,
  nightshift.set_health_threshold, nightshift.unpause
to service_role;

grant execute on function
  nightshift.deletion_stats, nightshift.disable_soft_delete, nightshift.enable_soft_delete, nightshift.inspect_soft_delete,
  nightshift.list_deletion_events
to service_role;

-- Deleting and restoring has the rights of whoever calls, so they execute what it is made of, too: see settle_users.
grant execute on function
  nightshift.soft_delete, nightshift.soft_delete_where, nightshift.plan_delete, nightshift.plan_restore, nightshift.restore, nightshift.restore_operation, nightshift.restore_since,
  nightshift.put_active, nightshift.deleted_since, nightshift.deletions_since,
  nightshift.active_arbiter, nightshift.columns_named, nightshift.condition_in_sql, nightshift.deletion_hash, nightshift.find_rows, nightshift.restricting_rows,
  nightshift.calling_user, nightshift.code_in_context, nightshift.column_type, nightshift.deletion_actor,
  nightshift.deletion_operation, nightshift.edges_to_children, nightshift.edges_to_parents, nightshift.hold_parents, nightshift.keys_asked,
  nightshift.operation_time, nightshift.override_assignments, nightshift.place_in_code, nightshift.raise_conflict,
  nightshift.record_failed_restores, nightshift.require_unrestricted, nightshift.soft_delete_rules,
  nightshift.soft_delete_tables_of_operation, nightshift.start_operation, nightshift.unique_conflicts
to service_role;

-- Last of all, since each of the above is a right of the owner to give.
do $$
begin
  perform nightshift.settle_users();
  perform nightshift.settle_owner();
end;
$$;

reset check_function_bodies;

insert into nightshift.migrations (version, checksum, objects) values ('0.1.0', 'a10776b7ba34f43afa9ff882e0bcc6e1081f7c61fe4b7300b9fd0cb9941d47ac', '{
  active_arbiter, active_index, add_counts, add_key, add_partition_policy, add_refresh_policy, add_released,
  add_retention_policy, adopt_refresh_policies, advice_for_supabase_table, all_leaf_relations, alter_partition_policy,
  alter_refresh_policy, alter_retention_policy, api_roles, application_owners, application_tables, apply_brake,
  are_related, assess_health, assess_partitions, assess_view, begin_detach, begin_run, bound_of_time, brake,
  call_for_role, called_functions, calling_user, can_be_referenced, cancel_run, cancellation, check_health,
  check_lease, check_partition_policy, check_partition_sizes, check_purgeable, check_refresh_policy, check_release,
  check_retention_policy, check_soft_delete, child_condition, child_steps, children_of_slice, choose_due_rows,
  code_in_context, column_definition_type, column_type, columns_named, columns_referred, comparison_operator,
  composite_types, condition_in_sql, constant_default, copy_after_attach, copy_grants, copy_settings, count_between,
  count_deleted, count_held, count_movable_rows, count_released, count_rows, counted, counted_until, covering_policy,
  create_missing_partitions, create_partition, create_partitions, database_sizes, ddl_step, dead_rows,
  declare_cascades, declare_health_check, declare_job, declare_keys, declared_since, default_exclusions,
  delete_by_halves, delete_closure, delete_rows, delete_slice, deleted_since, deleted_so_far, deletion_actor,
  deletion_events, deletion_hash, deletion_operation, deletion_stats, deletions_since, describe_busy,
  describe_ddl_failure, describe_declaration, describe_declared_policy, describe_delete_triggers, describe_failure,
  describe_health_check, describe_holders, describe_holding_keys, describe_installation, describe_jobs,
  describe_leftovers, describe_needs, describe_partition_policy, describe_partition_sets, describe_refresh,
  describe_refresh_policy, describe_retention_policy, describe_retired, describe_run, describe_view,
  disable_soft_delete, drop_exclusion, drop_inherited_keys, drop_retired_partitions, due_by_marker, due_condition,
  duplicates_query, edges_to_children, edges_to_parents, enable_soft_delete, estimate_rows, exclude_from_default,
  exclusion_of, explain_attach_failure, extend_lease, fates_of, fences, find_covered_rows, find_due_among, find_key,
  find_moved_rows, find_needed_rows, find_needed_with, find_refresh, find_refresh_policy, find_relation,
  find_released_rows, find_rows, find_run, find_stranger, find_view, finish_detach, finish_run, fires_triggers,
  fix_of_leftovers, fix_of_stale_view, fix_of_step, follow_moved_rows, follow_released, follow_renames, follow_rows,
  follow_tables, forced_names, forget_decisions, free_partition_name, get_health, get_run, gone_of, grant_of_refresh,
  guard_child, guard_steps, hand_over, has_due_rows, health_backlog_age, health_backlog_growth,
  health_blocked_sessions, health_cache_hit, health_checks, health_connections, health_database_growth,
  health_database_size, health_dead_tuples, health_default_partition_rows, health_duplicate_indexes,
  health_failed_restores, health_foreign_keys_without_index, health_hidden_partitions, health_idle_in_transaction,
  health_inactive_replication_slots, health_invalid_indexes, health_job_missed, health_jobs_failing, health_jobs_lost,
  health_jobs_partial, health_ledger_size, health_level, health_long_transactions, health_measure,
  health_nightshift_exposed, health_oversized_partitions, health_partition_horizon, health_partitions_without_rls,
  health_paused, health_policies_broken, health_read_only, health_replication_lag, health_sequences,
  health_slow_statements, health_soft_deleted_share, health_soft_deletes, health_stale_views, health_thresholds,
  health_transaction_id_age, health_unused_indexes, health_views_exposed, health_views_not_populated, heartbeat_run,
  held_partition_policy, held_row, hint_for_flag, hint_for_marker, hint_for_owner, hold_cascades, hold_children,
  hold_parents, hold_partition_run, hold_run, hold_table, in_days, index_definition, index_for_key, indexed_as,
  inspect_soft_delete, interval_start, intervals_of, is_forced, is_large, is_published, is_set_by_default, job_state,
  job_states, jobs, join_condition, json_number, keep_time, key_collation, key_columns, key_in_words, key_of,
  keys_asked, keys_in_words, known_decisions, last_health_levels, leaf_relations, left_alone, level_rank,
  list_deletion_events, list_partition_policies, list_refresh_policies, list_retention_policies, list_runs,
  lock_for_change, lock_holder, lock_in_turn, lock_rows, lock_slice, mark_deletion, mark_lost_runs, marker_is_indexed,
  marker_walk, may_be_left_alone, may_exceed, may_go_unseen, may_refresh, measure_backlog, measure_children,
  measure_default_partition, measure_for_run, measure_leaves, measure_references, measure_retention_backlog,
  measure_retention_backlogs, migrations, move_rows, moved_row, multixact_members, mute_triggers, name_refusal,
  name_some, name_triggers, next_leaf, next_part_of_index, next_seeds, note_assessment, note_decisions, note_detaching,
  note_partitions, note_released, note_unchanged, nothing_left, oldest_due, only_kept, only_needed, operation_time,
  other_owners, override_assignments, own_due_condition, pages_of, partition_faults, partition_key, partition_policies,
  partition_state, partition_suffix, partition_warnings, partitions_before, partitions_below, partitions_to_make,
  partitions_to_retire, partitions_wanted, partitions_without_policy, parts_of_invalid_indexes, pause, place_in_code,
  plan_delete, plan_partition_maintenance, plan_restore, plan_retention_purge, plan_view_refresh, policy_members,
  policy_of_run, policy_of_view, preview_retention_purge, preview_retirement, purge_batch, purge_counted,
  purge_decisions, purge_key, purge_keys, purge_order, purge_pending, purge_released, purge_slices, purge_steps,
  purge_waits, put_active, put_off, raise_conflict, reach_rows, read_as_caller, read_partitions, read_pressure,
  reasons_of, reattach_partition, record_batch, record_deletions, record_failed_restores, record_purge,
  record_refresh_failure, recount_moved_rows, redundant_indexes, reference_join, reference_tree, references_condition,
  referencing_keys, referred_tables, refers_to_policy, refresh_policies, refresh_policy_view, refresh_view,
  refresh_warnings, refresh_way, refuse_key, related_policies, related_tables, release_default, released_row,
  remember_held, remove_health_threshold, remove_partition_policy, remove_refresh_policy, remove_retention_policy,
  require_checked_keys, require_few_due, require_health_checks, require_known_names, require_marker_index,
  require_no_rule, require_no_sentinel, require_nothing_queued, require_one_policy, require_own_rows,
  require_ownership, require_partition_policies, require_period, require_referencing_indexes, require_refresh_policies,
  require_replica_identity, require_retention_policies, require_statistics, require_trusted, require_trusted_keys,
  require_unrestricted, require_wanted, require_within_brake, resolve_references, restore, restore_operation,
  restore_since, restricting_keys, restricting_rows, resume_run, retention_keys, retention_policies,
  retention_warnings, retire_partitions, retired_in_words, retired_partitions, row_set, run_by_hand, run_health_check,
  runs, sample_due_rows, scan_of, scan_time_of, secure_partition, secure_partitions, set_health_threshold,
  sets_to_remember, settings, settle_key, settle_owner, settle_users, soft_delete, soft_delete_advice,
  soft_delete_cascades, soft_delete_policies, soft_delete_rules, soft_delete_steps, soft_delete_tables,
  soft_delete_tables_of_operation, soft_delete_view, soft_delete_where, sources_as_of, spread_hold, stamp_retired,
  start_operation, stay_released, subtract_held, subtract_row_sets, take_pending, time_of_number, trim_deletion_events,
  trim_runs, trim_view_refreshes, trusted_name, trusted_names, trusted_operator, unique_conflicts, unmute_triggers,
  unpause, unreferenced_condition, untrusted_in_condition, users_of, usual_gap, usual_partition, validate_default,
  view_of, view_reads, view_refreshes, view_state, views_below, views_read, waits_to_be_continued, warn_of_heirs,
  warn_of_namesake, warn_of_replica_identity, warnings_of_purge, way_into_leaf, what_changed, why_not_drop,
  why_not_retire, why_not_retire_so_many, without_replica_identity
}')
on conflict (version) do update set checksum = excluded.checksum, objects = excluded.objects, applied_at = now();

select set_config('search_path', current_setting('nightshift.search_path'), false);
