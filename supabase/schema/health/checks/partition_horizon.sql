-- Health check partition_horizon: for how many days there are partitions, for each table that is partitioned by time.
-- Why: at the horizon inserts fail, or pile up in the default partition, all at once and usually at midnight.

create or replace function nightshift.health_partition_horizon(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  return query
  select
    p.parent::text,
    case
      when a.horizon is null then 0
      when isfinite(a.horizon) then round(extract(epoch from a.horizon - (health_partition_horizon.as_of at time zone 'UTC')) / 86400, 3)
    end,
    case
      when a.horizon is null then 'There is no partition for the rows of now.'
      when not isfinite(a.horizon) then format('%s takes all rows from its start on.', a.newest::regclass)
      else to_char(a.horizon, '"There is one for every row until "YYYY-MM-DD HH24:MI" UTC."')
    end || format(' Runs make room for %s, and come every %s.', p.premake * p.every, g.gap),
    -- Room that ends before the next run comes is mended only by more of it.
    case when t.room <= t.gap and t.premake_needed > p.premake
      then format('select nightshift.alter_partition_policy(%L, premake => %s); ', p.parent, t.premake_needed) else '' end
      || format('select nightshift.create_missing_partitions(%L);', p.parent),
    null::numeric, w.days, least(1, w.days / 4), null::text
  from nightshift.partition_policies p
  join nightshift.assess_partitions(
    array(select e.parent::oid from nightshift.partition_policies e where e.enabled), health_partition_horizon.as_of
  ) a on a.parent = p.parent::oid
  cross join nightshift.usual_gap('partition-maintenance') g(gap)
  cross join lateral (
    select extract(epoch from p.premake * p.every) / 86400, extract(epoch from g.gap) / 86400,
      least(ceil(2 * extract(epoch from g.gap) / extract(epoch from p.every)), 100)
  ) t(room, gap, premake_needed)
  -- Half of the room, at most a week; and less than what is left of it when the next run is about to come.
  cross join lateral (
    select case when t.room > t.gap then least(7, t.room / 2, (t.room - t.gap) * 0.75) else t.room / 8 end
  ) w(days)
  -- A table that is gone, or that no policy fits any more, is a matter of policies_broken.
  where a.key_column is not null
  union all
  select
    u.parent::regclass::text,
    case when isfinite(u.ends_at) then greatest(
      round(extract(epoch from u.ends_at - (health_partition_horizon.as_of at time zone 'UTC')) / 86400, 3), 0
    ) end,
    format('It has no partition policy%s; %s, its last partition, ends on %s UTC, and rows after that %s. If none are to come: select nightshift.set_health_threshold(''partition_horizon'', %L);',
      case when u.is_switched_off then ' that is switched on' else '' end, u.newest::regclass,
      to_char(u.ends_at, 'YYYY-MM-DD HH24:MI'),
      case when u.has_default then 'pile up in the default partition' else 'are refused' end, u.parent::regclass::text),
    case when u.is_switched_off then format('select nightshift.alter_partition_policy(%L, enabled => true); ', u.parent::regclass)
        -- Unless the fix of default_partition_rows has done so.
      else format('select nightshift.add_partition_policy(%1$L, %2$L) where not exists (select from nightshift.partition_policies where parent = %1$L::regclass); ',
        u.parent::regclass, nightshift.usual_partition(u.parent)) end
      || format('select nightshift.create_missing_partitions(%L);', u.parent::regclass),
    -- Whether someone else is about to make the next one, or none is wanted, is not known: that is worth a look, not an alarm
    -- at night. What makes them one at a time does so at some time of the last one.
    null::numeric, least(7, coalesce(u.days, 14) / 2), null::numeric, null::text
  from nightshift.partitions_without_policy() u;
end;
$$;

comment on function nightshift.health_partition_horizon is
  'Days until rows have no partition, for each enabled partition policy, and for each table that is partitioned by a date or timestamp and has none; null when they always have one. With a policy the warning is at 7 days, or, where runs make room for less than 14, at half of that, and later where less than that is left before the next run; critical is a quarter of it, at most a day. Without one the warning is at half of its last partition, at most 7 days, and nothing is critical. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'partition_horizon',
  title => 'Partitions ahead',
  healthy => 'Every partitioned table has room for the rows to come.',
  why => 'At the end of the last partition inserts fail, or pile up in the default partition, from one second to the next.',
  unit => 'days', worse => 'lower', warning => 7, critical => 1
);
