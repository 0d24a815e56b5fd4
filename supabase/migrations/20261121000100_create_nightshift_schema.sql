-- The schema that holds everything of Nightshift, and its settings.
-- Why: one schema to expose to the Data API, to grant, and to drop again.
-- Locks: none on any existing object.

create schema nightshift;

comment on schema nightshift is
  'Scheduled maintenance: policies, the run ledger and the functions that jobs call. Access is through functions only.';

revoke all on schema nightshift from public;
grant usage on schema nightshift to service_role;

create table nightshift.settings (
  singleton boolean primary key default true check (singleton),
  paused boolean not null default false,
  paused_reason text,
  paused_at timestamptz,
  ledger_retention interval not null default '90 days' check (ledger_retention >= '1 day'),
  trigger_search_path text not null default 'public, extensions'
);

comment on table nightshift.settings is 'Settings of the whole installation; always exactly one row.';
comment on column nightshift.settings.paused is 'While true no run begins and no batch deletes.';
comment on column nightshift.settings.ledger_retention is
  'How long finished runs stay in nightshift.runs. Default 90 days; at least 1 day.';

comment on column nightshift.settings.trigger_search_path is
  'The search_path that triggers of the application find when a purge deletes a row. Default: public, extensions.';

alter table nightshift.settings enable row level security;
revoke all on nightshift.settings from public, anon, authenticated, service_role;

insert into nightshift.settings default values;

create function nightshift.pause(reason text default null)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  update nightshift.settings s
  set paused = true, paused_reason = pause.reason, paused_at = now()
  where s.singleton;
end;

comment on function nightshift.pause is
  'Stops every job: a run that would begin is skipped, and a purge under way deletes no further batch. Idempotent.';

create function nightshift.unpause()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  update nightshift.settings s
  set paused = false, paused_reason = null, paused_at = null
  where s.singleton;
end;

comment on function nightshift.unpause is 'Lets jobs run again after nightshift.pause(). Idempotent.';

revoke all on function nightshift.pause, nightshift.unpause from public, anon, authenticated;
grant execute on function nightshift.pause, nightshift.unpause to service_role;
