create or replace function nightshift.check_partition_policy(policy nightshift.partition_policies)
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
  if key.type is null or parent.relpersistence = 't' or parent.nspname in ('pg_catalog', 'information_schema')
    or parent.nspname = 'nightshift' and policy.parent <> 'nightshift.deletion_events'::regclass
  then
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
  select c.oid::regclass into nested
  from pg_catalog.pg_class c
  where c.oid = any(array(select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = policy.parent)) and c.relkind <> 'r'
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
  if key.type = 'uuid'::regtype and exists (
    select 1 from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = policy.parent and a.attname = key.column_name
      and pg_get_expr(d.adbin, d.adrelid) ~ 'gen_random_uuid|uuid_generate_v4'
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
