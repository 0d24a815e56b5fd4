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
  partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0),
  history_secret text,
  trend_retention interval not null default '400 days' check (trend_retention >= '60 days'),
  size_limit_bytes bigint check (size_limit_bytes > 0),
  size_limit_kind text check (size_limit_kind in ('database', 'disk', 'plan')),
  unpaused_at timestamptz,
  unpaused_by text,
  constraint settings_size_limit check ((size_limit_bytes is null) = (size_limit_kind is null))
);

comment on table nightshift.settings is 'Settings of the whole installation; always exactly one row.';

comment on column nightshift.settings.paused is 'While true no run begins, but for the health check, and no batch deletes.';
comment on column nightshift.settings.unpaused_at is 'When the last pause was ended, also while there is another.';
comment on column nightshift.settings.unpaused_by is 'Who ended it, as unpause was told.';
comment on column nightshift.settings.ledger_retention is
  'How long finished runs stay in nightshift.runs. Default 90 days; at least 1 day.';
comment on column nightshift.settings.trigger_search_path is
  'The search_path that triggers of the application find when a purge deletes a row and, before Postgres 17, functions in the query of a view that is refreshed. Default: public, extensions.';
comment on column nightshift.settings.partition_alert_bytes is
  'A partition larger than this, indexes included, is reported. Default 10 GB.';
comment on column nightshift.settings.history_secret is
  'The name of the secret in Vault that keys and reasons in the history of deletions are encrypted with; null: they are not. See nightshift.encrypt_deletion_events.';

comment on column nightshift.settings.trend_retention is
  'How long the history of sizes and durations is kept. Default 400 days: a year, and the month before to compare with; at least 60 days.';
comment on column nightshift.settings.size_limit_bytes is
  'How large the database may become, with size_limit_kind; null: not known, and nothing is foretold.';
comment on column nightshift.settings.size_limit_kind is
  'What sets the limit: the plan, the disk (of which the write-ahead log takes its part), or you, for the database.';

alter table nightshift.settings enable row level security;

insert into nightshift.settings default values on conflict (singleton) do nothing;

create table if not exists nightshift.jobs (
  name text primary key,
  policies regclass,
  runs_while_paused boolean not null default false,
  runs_kept interval,
  purpose text not null default ''
);

comment on table nightshift.jobs is 'One row a job; the file job.sql of its folder writes it.';
comment on column nightshift.jobs.purpose is 'What it is for, in a sentence.';
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
