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
