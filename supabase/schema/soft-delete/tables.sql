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
  realtime boolean not null default false,
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
comment on column nightshift.soft_delete_tables.realtime is
  'Whether deletions and restores are told to subscribers of Supabase Realtime: see nightshift.announce_changes.';

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
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  transaction xid8 not null default pg_current_xact_id(),
  operation uuid,
  action text not null check (action in ('delete', 'restore', 'restore_failed', 'purge')),
  relation_name text not null,
  rows bigint not null,
  keys jsonb,
  actor text,
  reason text,
  details jsonb,
  sealed bytea,
  sealed_with text,
  primary key (id, at)
) partition by range (at);

-- A deletion never fails for want of a partition.
create table if not exists nightshift.deletion_events_default partition of nightshift.deletion_events default;

comment on table nightshift.deletion_events_default is
  'What no partition of nightshift.deletion_events is for. Empty where partition-maintenance runs.';
comment on table nightshift.deletion_events is
  'What was deleted, restored and purged in tables with soft delete, and what could not be restored: one row a statement and operation, for 10,000 rows at most. Written by a trigger, and by nobody else. Partitioned by month; its partition policy says how long it is kept.';
comment on column nightshift.deletion_events.transaction is
  'The transaction that wrote it. What is older than the oldest transaction under way is complete: see nightshift.deleted_since.';
comment on column nightshift.deletion_events.operation is
  'Of delete and restore: the operation that deleted the rows; of purge: the run. Null for rows that were deleted before soft delete was enabled.';
comment on column nightshift.deletion_events.keys is
  'The primary keys of the rows: an array of values, or of objects where the key has several columns. Null where they are not kept.';
comment on column nightshift.deletion_events.actor is 'The user (the subject of the token), the name that service_role gave, or the database role.';
comment on column nightshift.deletion_events.details is
  'Of restore_failed: why, most frequent first: [{code: the SQLSTATE, constraint, raisedIn: a line and function, rows}].';

comment on column nightshift.deletion_events.sealed is
  'The keys and the reason, encrypted, where settings.history_secret says so; null where that could not be done, and they were not written at all.';
comment on column nightshift.deletion_events.sealed_with is 'The name of the secret in Vault that they are encrypted with; null: they are not.';

create index if not exists deletion_events_age on nightshift.deletion_events (at);
create index if not exists deletion_events_at on nightshift.deletion_events (relation_name, at);
create index if not exists deletion_events_transaction on nightshift.deletion_events (transaction, id);
create index if not exists deletion_events_operation on nightshift.deletion_events (operation);
alter table nightshift.deletion_events enable row level security;
alter table nightshift.deletion_events_default enable row level security;

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
    is_asked text,
    key_order text,
    key_object text,
    key_value text,
    has_parents boolean,
    trigger_path text
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.soft_delete_rules is
  'A table with soft delete as statements need it, where r is one of its rows and k an asked key. source: after FROM. deleted: the condition. mark, unmark: assignments; $2 to $5 are time, who, why and operation. of_operation: the condition for the rows of operation $2, whose time is $1. since: for those deleted at $1 or later. key_definition: columns of k for jsonb_to_recordset; key_match: r is k; is_asked: r is one of the keys $1; key_object, key_value: the key of r as an object, and as callers know it. has_parents: whether deletions come to it from another table.';

do $$
begin
  create type nightshift.ddl_step as (statement text, why text, lock text, outside_transaction boolean);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.ddl_step is
  'A statement that brings a table to what was asked for, why, and the lock that it takes. outside_transaction: it cannot run in one.';
