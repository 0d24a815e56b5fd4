-- What health checks found last, since when, and the snapshot of it all that is shown.

create table if not exists nightshift.health_results (
  check_name text primary key references nightshift.health_checks on delete cascade,
  checked_at timestamptz not null,
  document jsonb not null
);

comment on table nightshift.health_results is
  'What each check found when a run last made it. Most are made once a night, the quick ones every few minutes.';
comment on column nightshift.health_results.document is 'As nightshift.run_health_check returns it.';

create table if not exists nightshift.health_findings (
  check_name text not null references nightshift.health_checks on delete cascade,
  subject text not null,
  level text not null check (level in ('info', 'unknown', 'warning', 'critical')),
  since timestamptz not null,
  level_since timestamptz not null,
  primary key (check_name, subject)
);

comment on table nightshift.health_findings is 'Since when a subject of a check has not been ok: one row while it is not.';
comment on column nightshift.health_findings.subject is 'Empty when the whole check could not run.';
comment on column nightshift.health_findings.since is 'When a run first found it not to be ok.';
comment on column nightshift.health_findings.level_since is 'When a run first found it at this level.';

create table if not exists nightshift.status (
  singleton boolean primary key default true check (singleton),
  taken_at timestamptz not null,
  document jsonb not null
);

comment on table nightshift.status is
  'The last snapshot of how everything is, see nightshift.describe_status: one row, which whoever looks reads, so that looking costs nothing.';

create table if not exists nightshift.troubles (
  id bigint generated always as identity primary key,
  key text not null,
  kind text not null check (kind in ('failed', 'missed', 'left', 'critical')),
  subject text not null,
  text text not null,
  began_at timestamptz not null default now(),
  told_at timestamptz,
  ended_at timestamptz,
  end_told_at timestamptz,
  claimed_until timestamptz,
  checks text[],
  gone_at timestamptz
);

comment on table nightshift.troubles is
  'What a function tells people through its webhook: once when it begins and once when it is over. What could not be delivered is tried again by the next run.';
comment on column nightshift.troubles.kind is
  'failed: runs of a job; missed: a job has not done its work; left: a run left something undone; critical: a finding of a health check.';
comment on column nightshift.troubles.text is 'A sentence, without the contents of rows.';
comment on column nightshift.troubles.claimed_until is 'Until then somebody is telling it.';
comment on column nightshift.troubles.checks is 'The health checks that say when it is over; null: a run does.';
comment on column nightshift.troubles.gone_at is 'When they last looked and it was gone; null: it is there. It is over when it has been gone for long enough, see take_troubles.';

create unique index if not exists troubles_open on nightshift.troubles (key) where ended_at is null;
create index if not exists troubles_untold on nightshift.troubles (id) where told_at is null or (ended_at is not null and end_told_at is null);

alter table nightshift.troubles enable row level security;
alter table nightshift.health_results enable row level security;
alter table nightshift.health_findings enable row level security;
alter table nightshift.status enable row level security;
