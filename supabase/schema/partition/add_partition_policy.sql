create or replace function nightshift.add_partition_policy(
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
set jit = off
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
  perform nightshift.require_trusted_keys(policy.parent);
  perform nightshift.require_ownership(policy.parent, 'partitions');

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
