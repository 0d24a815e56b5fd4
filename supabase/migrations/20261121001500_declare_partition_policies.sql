-- The declaration of partition policies: add, alter, remove; and what the partitions are like.
-- Why: what a policy can do to a table is said in SQL, in migrations, and refused with the fix where it does not fit.
-- Locks: none on any existing object; at run time none but for secure_partitions, which says so.

create function nightshift.require_period(name text, period interval, example text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if period is null or not isfinite(period) or period <= '0'
    or least(
      extract(year from period), extract(month from period), extract(day from period),
      extract(hour from period), extract(minute from period), extract(second from period)
    ) < 0
  then
    raise exception using
      errcode = 'NS422',
      message = format('%s must be a positive interval, not %s', name, coalesce(period::text, 'null')),
      hint = example;
  end if;
end;
$$;

comment on function nightshift.require_period is 'Raises NS422, with the example as the hint, unless the interval is positive in each of its fields.';

create function nightshift.in_days(every interval)
returns interval
language sql
immutable
set search_path = pg_catalog, pg_temp
begin atomic
  select case when extract(epoch from in_days.every) % 86400 = 0 and extract(hour from in_days.every) > 0
    then justify_hours(in_days.every) else in_days.every end;
end;

comment on function nightshift.in_days is 'Hours that are whole days, as days: 24 hours are a day in UTC.';

create function nightshift.require_ownership(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of the function: a policy gives nobody a right over a table that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  owner oid := (select c.relowner from pg_catalog.pg_class c where c.oid = relation);
begin
  if not pg_has_role(caller, owner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not change its partitions', relation, owner::regrole, caller),
      hint = 'Declare the policy as the owner of the table: on Supabase in the SQL editor or in a migration.';
  end if;
end;
$$;

comment on function nightshift.require_ownership is 'Raises NS422 unless whoever calls has the rights of the owner of a table.';

create function nightshift.check_partition_policy(policy nightshift.partition_policies)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  parent record;
  nested regclass;
  months integer := extract(year from policy.every) * 12 + extract(month from policy.every);
  days integer := extract(day from policy.every);
  seconds numeric := extract(epoch from policy.every - make_interval(months => months, days => days));
begin
  select c.relkind, c.relpersistence, c.relowner, n.nspname, n.oid as namespace into parent
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = policy.parent;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = 'There is no such table',
      hint = 'Name a partitioned table, with its schema: nightshift.add_partition_policy(''public.daily_metrics'', ''1 month'').';
  end if;
  select k.* into key from nightshift.partition_key(policy.parent) k;
  if key.type is null or parent.relpersistence = 't' or parent.nspname in ('pg_catalog', 'information_schema', 'nightshift') then
    raise exception using
      errcode = 'NS422',
      message = case when parent.relkind = 'p' then format('%s is not partitioned by range of a single column', policy.parent)
        else format('%s is not a partitioned table', policy.parent) end,
      hint = 'Partition it by range of the time of its rows: create table ... partition by range (created_at). See docs/pg_partman.md for how to move the rows of a plain table.';
  end if;
  if key.type not in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'uuid'::regtype, 'bigint'::regtype) then
    raise exception using
      errcode = 'NS422',
      message = format('The key %I of %s is of type %s', key.column_name, policy.parent, key.type),
      hint = 'It must be a date, a timestamp, a timestamptz, a uuid of version 7, or a bigint that counts seconds or milliseconds since 1970.';
  end if;
  if (key.type = 'bigint'::regtype) <> (policy.epoch is not null) or policy.epoch not in ('seconds', 'milliseconds') then
    raise exception using
      errcode = 'NS422',
      message = format('epoch does not fit the key %I of %s, which is of type %s', key.column_name, policy.parent, key.type),
      hint = 'A bigint needs epoch => ''seconds'' or epoch => ''milliseconds''; other keys need none.';
  end if;
  if not pg_has_role(parent.relowner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not change its partitions', policy.parent, parent.relowner::regrole, current_user),
      hint = format('alter table %s owner to %I;', policy.parent, current_user);
  end if;
  perform nightshift.require_trusted_owner(policy.parent);
  -- Those that Nightshift reads: to plan a query is to run what is constant in indexes and constraints of its tables.
  perform nightshift.require_trusted_owner(t.relation)
  from (
    with part(relation, owner) as (
      select c.oid, c.relowner
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
      where i.inhparent = policy.parent
      union all
      select policy.parent::oid, parent.relowner
    )
    select p.relation::regclass from part p where p.owner <> parent.relowner
    union
    -- By the triggers of foreign keys, which are indexed by the table that is referred to.
    select o.relid
    from part p
    join pg_catalog.pg_trigger g on g.tgrelid = p.relation and g.tgisinternal
    join pg_catalog.pg_constraint k on k.oid = g.tgconstraint and k.confrelid = p.relation
    cross join lateral (select k.conrelid::regclass union select x.relid from pg_catalog.pg_partition_tree(k.conrelid) x) o(relid)
  ) t(relation);
  if exists (
    select 1
    from pg_catalog.pg_partition_ancestors(policy.parent) a(relid)
    where a.relid <> policy.parent and (nightshift.partition_key(a.relid)).column_name = key.column_name
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is a partition itself, by the same %I, and can only hold a part of time', policy.parent, key.column_name),
      hint = 'Declare a policy for the table that it is a partition of, with partitions that are not partitioned themselves.';
  end if;
  select i.inhrelid::regclass into nested
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  where i.inhparent = policy.parent and c.relkind <> 'r'
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('Partition %s of %s is not a plain table: partitioned itself, or elsewhere', nested, policy.parent),
      hint = 'Nightshift makes partitions of one level, in this database. Declare a policy for each table of the level below, where that is by time.';
  end if;

  perform nightshift.require_period('every', policy.every, 'Say how long a partition is: ''1 hour'', ''1 day'', ''1 week'', ''1 month'', ''3 months'' or ''1 year''.');
  if (months > 0)::integer + (days > 0)::integer + (seconds > 0)::integer <> 1
    or seconds > 0 and 86400 % seconds::integer <> 0 or seconds % 3600 <> 0
    or months > 0 and 12 % months <> 0 and months % 12 <> 0
  then
    raise exception using
      errcode = 'NS422',
      message = format('every must be hours that divide a day, whole days, or months that divide a year, not %s', policy.every),
      hint = 'For example ''6 hours'', ''1 day'', ''1 week'', ''1 month'', ''3 months'' or ''1 year''.';
  end if;
  if key.type = 'date'::regtype and seconds > 0 then
    raise exception using
      errcode = 'NS422',
      message = format('%s is partitioned by a date, which has no hours', policy.parent),
      hint = 'every must be at least ''1 day''.';
  end if;
  if exists (
    select 1 from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = policy.parent and a.attname = key.column_name
      and key.type = 'uuid'::regtype and pg_get_expr(d.adbin, d.adrelid) ~ 'gen_random_uuid|uuid_generate_v4'
  ) then
    raise exception using
      errcode = 'NS422',
      message = format('The key %I of %s is by default a random uuid, which holds no time', key.column_name, policy.parent),
      hint = 'It needs uuids of version 7: uuidv7() since Postgres 18, or made by the application.';
  end if;
  if policy.every > '5 years' then
    raise exception using
      errcode = 'NS422',
      message = format('every must be at most 5 years, not %s', policy.every),
      hint = 'A thousand such intervals reach back as far as a timestamp can.';
  end if;
  if policy.premake is null or policy.premake not between 1 and 100 then
    raise exception using
      errcode = 'NS422',
      message = format('premake must be from 1 to 100, not %s', coalesce(policy.premake::text, 'null')),
      hint = 'It is how many partitions there are ahead of the one that holds now; 4 by default.';
  end if;
  if policy.retention is not null then
    perform nightshift.require_period('retention', policy.retention, 'Say how long a partition stays after its end, like ''1 year''; leave it out to keep all.');
    if policy.retention > '1000 years' then
      raise exception using
        errcode = 'NS422',
        message = format('retention (%s) is longer than 1,000 years', policy.retention),
        hint = 'Leave retention out to keep all.';
    end if;
    if policy.retention < policy.every then
      raise exception using
        errcode = 'NS422',
        message = format('retention (%s) is shorter than a partition (%s)', policy.retention, policy.every),
        hint = 'It counts from the end of a partition. Is it a wrong unit?';
    end if;
  end if;
  if policy.retire not in ('detach', 'drop') then
    raise exception using
      errcode = 'NS422',
      message = format('retire must be detach or drop, not %s', policy.retire),
      hint = 'detach keeps a retired partition as a table of its own; drop drops it when grace is over.';
  end if;
  perform nightshift.require_period('grace', policy.grace, 'Say how long a retired partition can still be had back, like ''7 days''.');
  if policy.grace < '1 day' then
    raise exception using
      errcode = 'NS422',
      message = format('grace is only %s', policy.grace),
      hint = 'It is the time to notice that a partition is missing: at least ''1 day'', by default ''7 days''.';
  end if;
  if policy.max_fraction is null or policy.max_fraction <= 0 or policy.max_fraction > 1 then
    raise exception using
      errcode = 'NS422',
      message = format('max_fraction must be over 0 and at most 1, not %s', coalesce(policy.max_fraction::text, 'null')),
      hint = 'It is the share of the partitions that one run may retire; 0.5 by default.';
  end if;
  if policy.partition_schema is not null and not exists (
    select 1 from pg_catalog.pg_namespace n where n.nspname = policy.partition_schema
  ) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schema %I', policy.partition_schema),
      hint = format('create schema %I;', policy.partition_schema);
  end if;
  if not has_schema_privilege(coalesce(policy.partition_schema, parent.nspname), 'create') then
    raise exception using
      errcode = 'NS422',
      message = format('%I may not create tables in schema %I', current_user, coalesce(policy.partition_schema, parent.nspname)),
      hint = format('grant create on schema %I to %I;', coalesce(policy.partition_schema, parent.nspname), current_user);
  end if;
end;
$$;

comment on function nightshift.check_partition_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy can be applied as it is.';

create function nightshift.add_partition_policy(
  parent regclass,
  every interval,
  premake integer default 4,
  retention interval default null,
  retire text default 'detach',
  grace interval default '7 days',
  max_fraction numeric default 0.5,
  partition_schema name default null,
  epoch text default null,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
  wrong_unit text;
begin
  policy.parent := add_partition_policy.parent;
  policy.parent_name := add_partition_policy.parent::text;
  -- '24 hours' is a day in UTC.
  policy.every := nightshift.in_days(every);
  policy.premake := add_partition_policy.premake;
  policy.retention := add_partition_policy.retention;
  policy.retire := coalesce(add_partition_policy.retire, 'detach');
  policy.grace := coalesce(add_partition_policy.grace, '7 days');
  policy.max_fraction := add_partition_policy.max_fraction;
  policy.partition_schema := add_partition_policy.partition_schema;
  policy.epoch := add_partition_policy.epoch;
  policy.enabled := coalesce(add_partition_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_ownership(policy.parent);

  insert into nightshift.partition_policies select policy.* on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a partition policy already', policy.parent),
      hint = 'Change it with nightshift.alter_partition_policy, or remove it first with nightshift.remove_partition_policy.';
  end if;
  select format('as %s, %s ends in the year %s', policy.epoch, r.partition::regclass,
      case when isfinite(r.upper) then extract(year from r.upper)::text else '10000 or later' end)
  into wrong_unit
  from nightshift.read_partitions(array[policy.parent::oid]) r
  where policy.epoch is not null and r.to_bound <> 'MAXVALUE'
    and (not isfinite(r.upper) or r.upper > '1970-01-01' and r.upper < '1971-01-01')
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('The bounds of %s do not look like %s since 1970: %s', policy.parent, policy.epoch, wrong_unit),
      hint = format('Is it epoch => ''%s''?', case policy.epoch when 'seconds' then 'milliseconds' else 'seconds' end);
  end if;
  return (select s.document from nightshift.describe_partition_sets(array[policy.parent::oid]) s);
end;
$$;

comment on function nightshift.add_partition_policy is
  'Declares that Nightshift makes and retires the partitions of a table that is partitioned by range of a date, timestamp (read as UTC), timestamptz, uuid of version 7, or bigint (epoch: seconds or milliseconds since 1970). The caller must own the table. Partitions that are there stay as they are. every: the length of a partition: hours that divide a day, whole days, or months that divide a year, at most 5 years; bounds are in UTC. premake: how many there are after the present one, default 4, at most 100. retention: a partition that ended this long ago is retired; null, the default, keeps all. retire: detach (keep it as a table of its own, the default) or drop (when grace, default 7 days, at least 1, is over). max_fraction: a run refuses to retire more than this share of the partitions that have begun, default 0.5. partition_schema: where new ones are made, default the schema of the table. Nothing is made until the next run, or nightshift.create_missing_partitions. Returns the policy, the state of the table and warnings. Errors: NS404, NS422, each with a hint that says the fix.';

create function nightshift.alter_partition_policy(
  parent regclass,
  every interval default null,
  premake integer default null,
  retention interval default null,
  retire text default null,
  grace interval default null,
  max_fraction numeric default null,
  partition_schema name default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
begin
  update nightshift.partition_policies p
  set
    every = coalesce(nightshift.in_days(alter_partition_policy.every), p.every),
    premake = coalesce(alter_partition_policy.premake, p.premake),
    retention = coalesce(alter_partition_policy.retention, p.retention),
    retire = coalesce(alter_partition_policy.retire, p.retire),
    grace = coalesce(alter_partition_policy.grace, p.grace),
    max_fraction = coalesce(alter_partition_policy.max_fraction, p.max_fraction),
    partition_schema = coalesce(alter_partition_policy.partition_schema, p.partition_schema),
    enabled = coalesce(alter_partition_policy.enabled, p.enabled)
  where p.parent = alter_partition_policy.parent
  returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      hint = 'Declare one with nightshift.add_partition_policy.';
  end if;
  perform nightshift.check_partition_policy(policy);
  perform nightshift.require_ownership(policy.parent);
  if retention is not null then
    update nightshift.retired_partitions d
    set status = 'released'
    where d.parent = alter_partition_policy.parent and d.status = 'reattached';
  end if;
  return (select s.document from nightshift.describe_partition_sets(array[policy.parent::oid]) s);
end;
$$;

comment on function nightshift.alter_partition_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_partition_policy does, and returns the policy. Another every holds for new partitions. A retention, even the same, makes partitions that were attached again by hand due again. To keep all from now on, remove the policy and add it without retention. Errors: NS404, NS422.';

create function nightshift.remove_partition_policy(parent regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.partition_policies;
begin
  delete from nightshift.partition_policies p where p.parent = remove_partition_policy.parent returning p.* into policy;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no partition policy', parent),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(p.parent::text, ', ' order by p.parent::text) from nightshift.partition_policies p), 'no table')),
      hint = 'Name the table with its schema. One that was dropped goes by its oid.';
  end if;
  return nightshift.describe_partition_policy(policy);
end;
$$;

comment on function nightshift.remove_partition_policy is
  'Removes the policy of a table; its partitions stay as they are, and what was detached is never dropped. Returns what was removed. Errors: NS404.';

revoke all on function
  nightshift.require_period, nightshift.in_days, nightshift.require_ownership, nightshift.check_partition_policy,
  nightshift.add_partition_policy, nightshift.alter_partition_policy, nightshift.remove_partition_policy
from public, anon, authenticated;
grant execute on function
  nightshift.add_partition_policy, nightshift.alter_partition_policy, nightshift.remove_partition_policy
to service_role;
