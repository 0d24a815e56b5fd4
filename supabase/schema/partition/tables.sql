-- Partition policies, and the record of what was retired.

create table if not exists nightshift.partition_policies (
  parent regclass primary key,
  parent_name text not null,
  every interval not null,
  premake integer not null,
  retention interval,
  retire text not null check (retire in ('detach', 'drop')),
  grace interval not null,
  max_fraction numeric not null,
  partition_schema name,
  epoch text check (epoch in ('seconds', 'milliseconds')),
  enabled boolean not null default true,
  created_at timestamptz not null default now()
);

comment on table nightshift.partition_policies is
  'One row for each table, partitioned by range of time, whose partitions Nightshift makes and retires.';
comment on column nightshift.partition_policies.parent_name is 'The name it had when its policy was declared: what is left of a table that was dropped.';
comment on column nightshift.partition_policies.every is
  'The length of a partition: hours that divide a day, whole days, or months that divide a year. Partitions begin on a grid in UTC: days are counted from Monday 2001-01-01.';
comment on column nightshift.partition_policies.premake is 'How many partitions there are after the one that holds now.';
comment on column nightshift.partition_policies.retention is
  'A partition is due to be retired when it ended this long ago; null keeps all.';
comment on column nightshift.partition_policies.grace is 'How long a detached partition waits to be dropped.';
comment on column nightshift.partition_policies.max_fraction is
  'A run that would retire more than this share of the partitions that have begun refuses to.';
comment on column nightshift.partition_policies.partition_schema is 'Where new partitions are made; null for the schema of the table.';
comment on column nightshift.partition_policies.epoch is 'What a bigint key counts since 1970.';

create table if not exists nightshift.retired_partitions (
  id bigint generated always as identity primary key,
  partition regclass not null,
  partition_name text not null,
  parent regclass not null,
  parent_name text not null,
  from_bound text not null,
  to_bound text not null,
  period tsrange not null,
  status text not null check (status in ('detaching', 'detached', 'dropped', 'reattached', 'released', 'gone')),
  size_bytes bigint not null,
  estimated_rows bigint,
  run_id uuid,
  retired_at timestamptz not null default clock_timestamp(),
  drop_after timestamptz,
  ended_at timestamptz,
  ended_run uuid
);

comment on table nightshift.retired_partitions is
  'Every partition that Nightshift took out of a table, and what became of it. Kept for ever: it is the proof of what was dropped.';
comment on column nightshift.retired_partitions.from_bound is
  'As in FOR VALUES FROM (...) TO (...), so that it can be attached again just as it was.';
comment on column nightshift.retired_partitions.status is
  'detaching: asked for over the direct connection, not known to be done. detached: no part of the table. dropped. reattached: part of it again, and left alone. released: reattached, and due again since its policy was given another retention; or detached by a person. gone: dropped or taken elsewhere by a person.';
comment on column nightshift.retired_partitions.drop_after is 'Null when the policy said to keep it.';

create table if not exists nightshift.default_exclusions (
  parent regclass primary key references nightshift.partition_policies on delete cascade,
  default_partition regclass not null,
  period tsrange not null
);

comment on table nightshift.default_exclusions is
  'One row while the constraint nightshift_room_ahead is on a default partition: what it keeps out. Made and removed with it.';

create index if not exists retired_partitions_partition on nightshift.retired_partitions (partition);
create index if not exists retired_partitions_parent on nightshift.retired_partitions (parent, status);
alter table nightshift.partition_policies enable row level security;
alter table nightshift.retired_partitions enable row level security;
alter table nightshift.default_exclusions enable row level security;

do $$
begin
  create type nightshift.partition_state as (
    parent oid,
    key_column name,
    key_type regtype,
    begun timestamp,
    cutoff timestamp,
    held tsmultirange,
    missing tsmultirange,
    left_out tsmultirange,
    detached tsmultirange,
    horizon timestamp,
    default_partition oid,
    newest oid,
    newest_is_past boolean,
    partitions integer,
    begun_partitions integer,
    due oid[],
    kept oid[],
    odd oid[],
    pending oid[]
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.partition_state is 'What nightshift.assess_partitions finds of one table.';
