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

alter table nightshift.health_checks enable row level security;
alter table nightshift.health_thresholds enable row level security;
