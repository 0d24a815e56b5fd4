-- Health check hidden_partitions: partitions that are there while their rows cannot be seen through the table.
-- Why: nothing fails, figures are just too low; and what was meant to be kept is dropped or forgotten as a table that nobody reads.

create or replace function nightshift.health_hidden_partitions(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
begin
  return query
  select
    i.inhrelid::regclass::text,
    1::numeric,
    format('half detached from %s: its rows cannot be seen through it, none can be added, and no other partition can be detached concurrently.%s',
      i.inhparent::regclass, case when d.partition is not null
        then format(' The next run of partition-maintenance finishes it; to have it back: select nightshift.reattach_partition(%L);', i.inhrelid::regclass)
        else ' To have it back, finish it and attach it again' end),
    format('alter table %s detach partition %s finalize;', i.inhparent::regclass, i.inhrelid::regclass),
    null::numeric, null::numeric, 1::numeric, null::text
  from pg_catalog.pg_inherits i
  left join nightshift.retired_partitions d on d.partition::oid = i.inhrelid and d.status = 'detaching'
  where i.inhdetachpending and i.inhparent in (select a from nightshift.application_tables() a)
  union all
  select
    d.partition::text,
    1::numeric,
    format('was retired from %s when retention was shorter; it is not due any more, so rows of %s to %s are missing there, and new ones of that time find no partition',
      d.parent, lower(d.period), upper(d.period)),
    format('select nightshift.reattach_partition(%L);', d.partition),
    null::numeric, 1::numeric, null::numeric, null::text
  from nightshift.retired_partitions d
  join nightshift.partition_policies p on p.parent = d.parent and p.enabled
  join pg_catalog.pg_class c on c.oid = d.partition and not c.relispartition
  where d.status = 'detached'
    and (p.retention is null or upper(d.period) > least(health_hidden_partitions.as_of, now()) at time zone 'UTC' - p.retention);
end;
$$;

comment on function nightshift.health_hidden_partitions is
  '1 for each partition that is half detached (critical), as an interrupted detach leaves it, and for each that was retired and would not be due now (warning). See nightshift.health_checks.';

select nightshift.declare_health_check(
  'hidden_partitions',
  title => 'Partitions whose rows cannot be seen',
  healthy => 'Every partition that is to be there can be seen through its table.',
  why => 'Queries of the table pass over these rows without a word, and what is computed from them is too low.',
  unit => 'count', warning => 1
);
