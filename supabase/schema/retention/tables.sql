-- Retention policies, and what a purge keeps between its batches.

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
  relation_name text,
  first_purge text check (first_purge = 'all')
);

comment on table nightshift.retention_policies is 'One row a table: rows whose marker is older than drop_after may be purged.';
comment on column nightshift.retention_policies.marker_column is
  'A date, timestamp or timestamptz column: when the row was soft-deleted, or any other time it ages by.';
comment on column nightshift.retention_policies.flag_column is 'A boolean column that must be true as well, or null.';
comment on column nightshift.retention_policies.max_fraction is
  'A run leaves a table alone when it would remove more than this share of it, or of a table of its children. Default 0.5.';
comment on column nightshift.retention_policies.first_purge is
  '''all'' until a run has gone through the table once: max_fraction does not hold for what was due when the policy was declared.';

comment on column nightshift.retention_policies.relation_name is
  'The name it had when Nightshift last looked: a table that was dropped and created anew under this name has the policy again.';

alter table nightshift.retention_policies enable row level security;

create table if not exists nightshift.retention_keys (
  policy regclass not null references nightshift.retention_policies (relation) on update cascade on delete cascade,
  referencing regclass not null,
  constraint_name name not null,
  role text not null check (role in ('child', 'release', 'keep')),
  primary key (policy, referencing, constraint_name)
);

comment on table nightshift.retention_keys is
  'What a policy says of foreign keys that refer to its rows, or to rows that go with them. A key without a row here keeps what it refers to.';
comment on column nightshift.retention_keys.referencing is 'The table that refers.';
comment on column nightshift.retention_keys.role is
  'child: rows that refer go too. release: their reference is set to null or default, as the ON DELETE of the key says. keep: they hold what they refer to, and nobody needs to be told.';

alter table nightshift.retention_keys enable row level security;

create table if not exists nightshift.purge_decisions (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  fate text not null check (fate in ('held', 'kept', 'refused', 'undecided', 'gone', 'assessed')),
  reason text,
  primary key (run_id, relation, tid)
);

comment on table nightshift.purge_decisions is
  'What a run that has not ended knows of rows, so that none is walked twice: rows that stay, and in a dry run those that would be gone. It can only keep a row: what is deleted is looked at anew, under a lock.';
comment on column nightshift.purge_decisions.fate is
  'held, kept (the policy says that what holds it may), refused (by a trigger or constraint), undecided: it stays. gone: a dry run counts it as deleted; assessed: the same, while the brake is being asked.';
comment on column nightshift.purge_decisions.reason is 'The foreign keys, one a line, the trigger or the constraint that keep it.';

alter table nightshift.purge_decisions enable row level security;

create table if not exists nightshift.purge_pending (
  run_id uuid not null,
  turn oid not null,
  relation oid not null,
  tid tid not null,
  policy oid not null,
  level integer not null,
  walked boolean not null,
  primary key (run_id, turn, relation, tid)
);

comment on table nightshift.purge_pending is
  'Due rows that wait until rows that refer to them are decided, because all of it at once was too much for one batch. The highest level is taken up first. At level 0 are those that have moved behind the cursor: nobody waits for them.';
comment on column nightshift.purge_pending.turn is 'The table whose turn it was; its own rows, or others that refer to them.';
comment on column nightshift.purge_pending.walked is 'Whether the cursor has passed the row, so that it is counted when it is decided.';

alter table nightshift.purge_pending enable row level security;

create table if not exists nightshift.purge_released (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  turn oid not null,
  referencing oid not null,
  "references" integer not null,
  primary key (run_id, relation, tid, turn, referencing)
);

comment on table nightshift.purge_released is
  'Rows that lost references in a run, and may go in it themselves: then these are no longer counted.';
comment on column nightshift.purge_released.turn is 'The table whose turn it was, and whose step counts them.';
comment on column nightshift.purge_released.referencing is 'The table of the foreign key, which they are counted by.';

alter table nightshift.purge_released enable row level security;

create table if not exists nightshift.purge_counted (
  run_id uuid not null,
  relation oid not null,
  tid tid not null,
  primary key (run_id, relation, tid)
);

comment on table nightshift.purge_counted is
  'Due rows that the cursor of a run has passed, and that have moved to where it has not been yet: it passes over them there.';

alter table nightshift.purge_counted enable row level security;

do $$
begin
  create type nightshift.row_set as (policy oid, relation oid, due boolean, tids tid[]);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.row_set is
  'Physical rows of one table and why they may go: policy, and whether they are due by it or its children. Good for one transaction; sets of several tables travel as an array.';

do $$
begin
  create type nightshift.held_row as (policy oid, relation oid, tid tid, fate text, reason text);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.held_row is
  'A row that stays after all, with the fate of nightshift.purge_decisions and one reason; a row with several is there once for each.';

do $$
begin
  create type nightshift.released_row as (key oid, relation oid, tid tid, referenced_relation oid, referenced_tid tid);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.released_row is
  'A row whose reference is set to null or default, through which foreign key, when the row that it refers to goes.';

do $$
begin
  create type nightshift.moved_row as (relation oid, old_tid tid, new_tid tid);
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.moved_row is 'A row that was changed by this transaction, and is at another place since.';

do $$
begin
  create type nightshift.purge_key as (
    policy oid, role text, key oid, name text, referenced regclass, referencing regclass, indexed boolean, related oid[]
  );
exception
  when duplicate_object then null;
end;
$$;

do $$
begin
  create type nightshift.reference as (
    key oid, under oid, role text, own_policy boolean, name text, referenced regclass, referencing regclass, indexed boolean
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.reference is 'What reference_tree says of one foreign key.';

comment on type nightshift.purge_key is
  'A foreign key that refers to rows which go by a policy, and what the policy says of it: child, release, keep, or hold where it says nothing. related: what nightshift.related_tables has of the table referred to.';
