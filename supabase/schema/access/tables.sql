-- Who logged in at the status page, or steered there, a moment ago.

create table if not exists nightshift.admissions (
  id bigint generated always as identity primary key,
  action text not null check (action in ('login', 'steer')),
  caller text not null check (length(caller) <= 100),
  admitted_at timestamptz not null default now()
);

comment on table nightshift.admissions is
  'What nightshift.admit_caller has let through in the last quarter of an hour: functions have no memory in which to count it.';
comment on column nightshift.admissions.caller is 'A digest of the address, of which nothing else is kept.';

create index if not exists admissions_admitted_at on nightshift.admissions (admitted_at);
alter table nightshift.admissions enable row level security;
