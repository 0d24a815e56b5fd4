-- Queries that matter, how long each may take, and how long each took.

create table if not exists nightshift.key_queries (
  name text primary key check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  sql text not null,
  max_ms numeric not null check (max_ms > 0 and max_ms <= 3000),
  created_at timestamptz not null default now()
);

comment on table nightshift.key_queries is
  'The queries whose time is watched: one SELECT each, which the full health check runs with the rights of the owner, in a read-only transaction. Only the owner writes here, through add_key_query.';
comment on column nightshift.key_queries.max_ms is 'From how many milliseconds on it is too slow.';

create table if not exists nightshift.key_query_times (
  id bigint generated always as identity primary key,
  query text not null references nightshift.key_queries on delete cascade,
  measured_at timestamptz not null,
  runs integer not null,
  min_ms numeric,
  median_ms numeric,
  blocks_hit bigint,
  blocks_read bigint,
  plan text,
  verdict text check (verdict in ('usual', 'slower', 'faster')),
  failure text,
  stopped_ms numeric
);

create index if not exists key_query_times_query on nightshift.key_query_times (query, id desc);

comment on table nightshift.key_query_times is 'How long a key query took each time it was measured; the last 100 times of each are kept.';
comment on column nightshift.key_query_times.runs is 'How often it was run in a row: the least and the median time are of these.';
comment on column nightshift.key_query_times.blocks_hit is 'Blocks that the last run found in shared buffers; blocks_read: those that it did not.';
comment on column nightshift.key_query_times.plan is 'The shape of the plan, see plan_shape: without costs, numbers of rows and conditions.';
comment on column nightshift.key_query_times.verdict is
  'Against its own usual time, see judge_key_query; null while too few times are known to say.';
comment on column nightshift.key_query_times.failure is 'The SQLSTATE, when it could not be run.';
comment on column nightshift.key_query_times.stopped_ms is 'After how long it was stopped by the statement timeout.';

alter table nightshift.key_queries enable row level security;
alter table nightshift.key_query_times enable row level security;

do $$
begin
  create type nightshift.usual_time as (times integer, ms numeric, spread_ms numeric, plan text);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.usual_time is 'How long a key query usually takes, see usual_time_of.';
