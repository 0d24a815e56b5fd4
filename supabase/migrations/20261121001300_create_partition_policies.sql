-- Partition policies: which partitioned tables have room ahead, and how long their partitions are kept.
-- Why: what a bound means in time, and which partitions there ought to be, is worked out here, once, in UTC.
-- Locks: ACCESS EXCLUSIVE on nightshift.settings, for a moment; none on any object of the application.

alter table nightshift.settings
  add column partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0);

comment on column nightshift.settings.partition_alert_bytes is
  'A partition larger than this, indexes included, is reported. Default 10 GB.';

create table nightshift.partition_policies (
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

create table nightshift.retired_partitions (
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

create index retired_partitions_partition on nightshift.retired_partitions (partition);
create index retired_partitions_parent on nightshift.retired_partitions (parent, status);

alter table nightshift.partition_policies enable row level security;
alter table nightshift.retired_partitions enable row level security;
revoke all on nightshift.partition_policies, nightshift.retired_partitions from public, anon, authenticated, service_role;
revoke all on sequence nightshift.retired_partitions_id_seq from public, anon, authenticated, service_role;

create function nightshift.partition_key(parent regclass, out column_name name, out type regtype)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select a.attname, a.atttypid::regtype into column_name, type
  from pg_catalog.pg_partitioned_table t
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  where t.partrelid = partition_key.parent and t.partstrat = 'r' and t.partnatts = 1;
end;
$$;

comment on function nightshift.partition_key is
  'The column that a table is partitioned by, and its type; nulls unless that is by range of a single column.';

create function nightshift.time_of_number(bound text, type regtype, epoch text)
returns timestamp
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  with value(seconds) as (
    -- Not in a WHERE: Postgres may work out the value first, and MAXVALUE is no number.
    select case
      when time_of_number.bound in ('MINVALUE', 'MAXVALUE') then null
      when time_of_number.type = 'bigint'::regtype
        then trim(both '''' from time_of_number.bound)::numeric / case time_of_number.epoch when 'milliseconds' then 1000 else 1 end
      else ('x' || lpad(left(replace(trim(both '''' from time_of_number.bound), '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0
    end
  )
  select case
    when time_of_number.bound = 'MINVALUE' then '-infinity'
    when time_of_number.bound = 'MAXVALUE' then 'infinity'
    -- Outside of the years 1 to 9999 a number is no time.
    when v.seconds < -62135596800 then '-infinity'
    when v.seconds >= 253402300800 then 'infinity'
    else timestamp 'epoch' + make_interval(secs => v.seconds::double precision)
  end
  from value v;
end;

comment on function nightshift.time_of_number is
  'The time in UTC of the bound of a bigint or of a uuid of version 7, as pg_get_expr prints it; infinite for MINVALUE and MAXVALUE. epoch: what a bigint counts.';

create function nightshift.bound_of_time(at timestamp, type regtype, epoch text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select quote_literal(case bound_of_time.type
    when 'date'::regtype then to_char(t.at, 'YYYY-MM-DD')
    when 'timestamp'::regtype then to_char(t.at, 'YYYY-MM-DD HH24:MI:SS.US')
    when 'timestamptz'::regtype then to_char(t.at, 'YYYY-MM-DD HH24:MI:SS.US+00')
    when 'bigint'::regtype then trunc(
      extract(epoch from t.at) * case bound_of_time.epoch when 'milliseconds' then 1000 else 1 end
    )::text
    when 'uuid'::regtype then regexp_replace(
      -- There is no uuid of a time before 1970; the smallest of all stands for it.
      lpad(to_hex(greatest(trunc(extract(epoch from t.at) * 1000)::bigint, 0)), 12, '0'),
      '^(.{8})(.{4})$', '\1-\2-0000-0000-000000000000'
    )
  end)
  -- Before the year 1 to_char leaves out that it is BC.
  from (select greatest(bound_of_time.at, '0001-01-01')) t(at);
end;

comment on function nightshift.bound_of_time is
  'A time in UTC as a literal of the type of the key: of a uuid of version 7 the smallest one of that millisecond.';

create function nightshift.interval_start(every interval, at timestamp)
returns timestamp
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  months integer := extract(year from every) * 12 + extract(month from every);
begin
  if months = 0 then
    return date_bin(every, at, '2001-01-01');
  end if;
  return timestamp '2001-01-01' + make_interval(months => months * floor(
    (extract(year from at) * 12 + extract(month from at) - 24013) / months
  )::integer);
end;
$$;

comment on function nightshift.interval_start is
  'The start of the interval of the grid that holds a finite time, in UTC: weeks begin on Monday, quarters and years as in the calendar.';

create function nightshift.partition_suffix(every interval, lower timestamp)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select to_char(partition_suffix.lower, case
    when e.months > 0 and e.months % 12 = 0 and partition_suffix.lower = date_trunc('year', partition_suffix.lower)
      then 'YYYY'
    when e.months = 3 and partition_suffix.lower = date_trunc('quarter', partition_suffix.lower) then 'YYYY"_q"Q'
    when e.months > 0 and partition_suffix.lower = date_trunc('month', partition_suffix.lower) then 'YYYY_MM'
    when e.days > 0 and e.days % 7 = 0 and partition_suffix.lower = date_trunc('week', partition_suffix.lower)
      then 'IYYY"_w"IW'
    when e.months + e.days > 0 and partition_suffix.lower = date_trunc('day', partition_suffix.lower) then 'YYYY_MM_DD'
    when partition_suffix.lower = date_trunc('hour', partition_suffix.lower) then 'YYYY_MM_DD_HH24'
    else 'YYYY_MM_DD_HH24MISS'
  end)
  from (
    select
      (extract(year from partition_suffix.every) * 12 + extract(month from partition_suffix.every))::integer,
      extract(day from partition_suffix.every)::integer
  ) e(months, days);
end;

comment on function nightshift.partition_suffix is
  'What a new partition is named after the table and an underscore, by its start: 2026, 2026_q1, 2026_01, 2026_w05 (ISO week), 2026_01_31, 2026_01_31_06; finer than the policy where the start is not on its grid.';

create function nightshift.api_roles()
returns setof oid
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select r.oid
  from pg_catalog.pg_roles r
  where not r.rolbypassrls and not r.rolsuper
    and (
      r.rolname in ('anon', 'authenticated')
      or exists (
        select 1
        from pg_catalog.pg_auth_members m
        join pg_catalog.pg_roles a on a.oid = m.member and a.rolname = 'authenticator'
        where m.roleid = r.oid
      )
    );
end;

comment on function nightshift.api_roles is
  'The roles that a request over the Data API can have: anon, authenticated, and others that authenticator may become; without those that row level security does not apply to, like service_role.';

create function nightshift.read_partitions(parents oid[])
returns table (
  parent oid, partition oid, is_default boolean, pending boolean, from_bound text, to_bound text, lower timestamp, upper timestamp
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
#variable_conflict use_column
begin
  return query
  select
    p.parent::oid, c.oid, e.bounds is null, i.inhdetachpending, l.from_bound, l.to_bound,
    -- In UTC, what is printed of a date and of either kind of timestamp reads the same as a timestamp; but a date can lie
    -- where no timestamp does.
    case when a.atttypid = 'date'::regtype and l.from_bound <> 'MINVALUE' and trim(both '''' from l.from_bound)::date < '4713-01-01 BC' then '-infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.from_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.from_bound, 'MINVALUE', '-infinity'))::timestamp end,
    case when a.atttypid = 'date'::regtype and l.to_bound <> 'MAXVALUE' and trim(both '''' from l.to_bound)::date > '294276-01-01' then 'infinity'
      when a.atttypid in ('bigint'::regtype, 'uuid'::regtype) then nightshift.time_of_number(l.to_bound, a.atttypid::regtype, p.epoch)
      else trim(both '''' from replace(l.to_bound, 'MAXVALUE', 'infinity'))::timestamp end
  from nightshift.partition_policies p
  join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent and t.partstrat = 'r' and t.partnatts = 1
  join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
  join pg_catalog.pg_inherits i on i.inhparent = p.parent
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  -- Without the table, which a bound does not need, pg_get_expr takes no lock on it.
  cross join lateral (select nullif(pg_get_expr(c.relpartbound, 0), 'DEFAULT') offset 0) e(bounds)
  cross join lateral (
    select split_part(substr(e.bounds, 18), ') TO (', 1), rtrim(split_part(e.bounds, ') TO (', 2), ')')
  ) l(from_bound, to_bound)
  where p.parent::oid = any(read_partitions.parents);
end;
$$;

comment on function nightshift.read_partitions is
  'The partitions of tables with a policy: bounds as SQL has them, and as times in UTC; infinite without a bound, null for the default partition. pending: interrupted while being detached concurrently.';

revoke all on function
  nightshift.partition_key, nightshift.time_of_number, nightshift.bound_of_time, nightshift.interval_start, nightshift.partition_suffix, nightshift.api_roles, nightshift.read_partitions
from public, anon, authenticated;
