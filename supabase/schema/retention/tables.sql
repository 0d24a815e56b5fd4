-- Retention policies, and the record of restores.

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
  relation_name text
);

comment on table nightshift.retention_policies is 'One row a table: rows whose marker is older than drop_after may be purged.';
comment on column nightshift.retention_policies.marker_column is
  'A date, timestamp or timestamptz column: when the row was soft-deleted, or any other time it ages by.';
comment on column nightshift.retention_policies.flag_column is 'A boolean column that must be true as well, or null.';
comment on column nightshift.retention_policies.max_fraction is
  'A run that would remove more than this share of the table refuses to start, or to go on. Default 0.5.';

comment on column nightshift.retention_policies.relation_name is
  'The name it had when Nightshift last looked: a table that was dropped and created anew under this name has the policy again.';

alter table nightshift.retention_policies enable row level security;

do $$
begin
  create type nightshift.row_set as (relation oid, tids tid[]);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.row_set is
  'Physical rows of one table: the table that holds them, and where in it. Good for one transaction; sets of several tables travel as an array with one element a table.';

create table if not exists nightshift.restores (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  relation_name text not null,
  restored integer not null,
  failed integer not null,
  reasons jsonb not null default '[]'
);

comment on table nightshift.restores is
  'One row for each call of nightshift.restore_rows, kept for settings.ledger_retention; never the contents of rows, nor their keys.';

comment on column nightshift.restores.reasons is 'Why rows failed, most frequent first: [{code: the SQLSTATE, constraint, rows}].';

create index if not exists restores_at on nightshift.restores (at);
alter table nightshift.restores enable row level security;
