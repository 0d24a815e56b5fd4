-- The schedules of Edge Functions, the project that they are of, and who is told of trouble.

create table if not exists nightshift.home (
  singleton boolean primary key default true check (singleton),
  project_url text not null,
  ticked_at timestamptz not null default now(),
  accepted_at timestamptz,
  refused_at timestamptz,
  webhook_url text,
  told text,
  told_at timestamptz,
  told_request bigint,
  functions_tell_at timestamptz,
  gone text[]
);

comment on table nightshift.home is
  'The project whose Edge Functions the schedules wake: one row while there are any. A copy of the database has the row as well, and is refused.';
comment on column nightshift.home.ticked_at is 'When send_wakes was last called, to five minutes: pg_cron does so every minute.';
comment on column nightshift.home.accepted_at is 'When a function of the project last found one of our wakes in its database, which is this one.';
comment on column nightshift.home.refused_at is
  'When a function of the project last did not find our wake in its database, so that this is another one; null once it has found one.';
comment on column nightshift.home.webhook_url is 'Where nightshift.watch posts what is critical; null: nowhere. Only the owner can read it here.';
comment on column nightshift.home.told is 'What was posted last; null: nothing is wrong, or it has been told that all is well.';
comment on column nightshift.home.told_request is 'The number that pg_net gave that request.';
comment on column nightshift.home.functions_tell_at is
  'When a function with a webhook of its own last looked for what there is to tell, to five minutes, unless nobody took it for an hour; null: never.';
comment on column nightshift.home.gone is 'Which lines of told were gone at the last look of nightshift.watch.';

alter table nightshift.home enable row level security;

create table if not exists nightshift.schedules (
  name text primary key check (name <> ''),
  job text not null,
  cron text not null,
  input jsonb not null default '{}' check (jsonb_typeof(input) = 'object'),
  due_at timestamptz,
  waiting_since timestamptz,
  nonce uuid unique,
  woken_for text,
  posts integer not null default 0,
  posted_at timestamptz,
  request bigint,
  answer text
);

comment on table nightshift.schedules is 'One row a schedule: when pg_cron last marked it as due, and how its Edge Function was woken for it.';
comment on column nightshift.schedules.cron is 'Five fields, as pg_cron reads them, in the time zone cron.timezone.';
comment on column nightshift.schedules.due_at is 'When it was last due, to the minute; null: never, or its job had nothing to do then.';
comment on column nightshift.schedules.waiting_since is 'The first time that it was due since a run of it last did its work.';
comment on column nightshift.schedules.nonce is
  'What the last wake carries. A function asks its own database for it, so it opens nothing anywhere else; null: used.';
comment on column nightshift.schedules.woken_for is 'What it was woken for: a due time, or an attempt of a run that waits to be continued.';
comment on column nightshift.schedules.posts is 'How often it was woken for that.';
comment on column nightshift.schedules.request is 'The number that pg_net gave the last wake, until its answer is there.';
comment on column nightshift.schedules.answer is 'The HTTP status of the last answer, and what it says unless it is a success; or why there was none.';

alter table nightshift.schedules enable row level security;
