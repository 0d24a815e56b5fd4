-- Health check default_partition_rows: rows that found no partition of their own.
-- Why: each makes it harder to make the partition that it belongs to, and a partitioned table with all rows in one place
--      is not partitioned.
-- Locks: at run time ACCESS SHARE on the default partitions, for a moment.

create or replace function nightshift.health_default_partition_rows(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  stop_at constant timestamptz := clock_timestamp() + interval '3 seconds';
  part record;
  policy nightshift.partition_policies;
  state nightshift.partition_state;
  can_move boolean;
  measure nightshift.health_measure;
begin
  for part in
    select t.partrelid::regclass as parent, t.partdefid::regclass as partition, k.column_name, k.type, p as policy,
      p.parent is not null as has_policy
    from pg_catalog.pg_partitioned_table t
    left join nightshift.partition_policies p on p.parent::oid = t.partrelid and p.enabled
    join pg_catalog.pg_class c on c.oid = t.partrelid
    cross join nightshift.partition_key(t.partrelid::regclass) k
    where t.partdefid <> 0 and (p.parent is not null or c.relnamespace <> 'nightshift'::regnamespace)
      and c.relpersistence <> 't' and pg_has_role(c.relowner, 'usage')
      and not exists (
        select 1 from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = t.partrelid and d.deptype = 'e'
      )
    order by t.partrelid::regclass::text
  loop
    measure := null;
    measure.subject := part.parent::text;
    begin
      if clock_timestamp() > stop_at then
        raise exception using errcode = 'NS424', message = 'The tables before it took all the time there was';
      end if;
      execute format('select count(*) from (select from %s limit 10000) r', nightshift.scan_of(part.partition)) into measure.value;
      measure.detail := format('%s in %s.',
        case when measure.value = 10000 then '10,000 or more' else nightshift.figure(measure.value) end, part.partition);
      if measure.value > 0 then
        can_move := part.has_policy and measure.value = 10000;
        if part.has_policy and not can_move then
          policy := part.policy;
          state := nightshift.assess_partitions(array[part.parent::oid], as_of);
          can_move := exists (select from nightshift.partitions_wanted(policy, state) w where w.row_count > 0);
        end if;
        measure.detail := measure.detail || case
          when can_move then ' A run moves them in steps to partitions of their own.'
          when part.has_policy then ' No run can move them: their time is far ahead, too far back, or missing.'
          else '' end;
        measure.fix := case
          when part.has_policy and not can_move then format('select * from %s limit 100;', part.partition)
          when can_move then format('select nightshift.create_missing_partitions(%L);', part.parent)
          when part.type in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) then
            format('select nightshift.add_partition_policy(%L, %L);', part.parent, nightshift.usual_partition(part.parent))
          when part.column_name is not null then
            format('select min(%1$I), max(%1$I), count(*) from %2$s;', part.column_name, part.partition)
          else format('select count(*) from %s;', part.partition)
        end;
      end if;
    exception
      when lock_not_available then
        measure.problem := format('Another session holds a lock on %s.', part.partition);
      when insufficient_privilege then
        measure.problem := format('%I may not read %s.', current_user, part.partition);
        measure.fix := format('grant select on %s to %I;', part.partition, current_user);
      when sqlstate 'NS422' or sqlstate 'NS424' then
        get stacked diagnostics measure.problem = message_text, measure.fix = pg_exception_hint;
    end;
    return next measure;
  end loop;
end;
$$;

comment on function nightshift.health_default_partition_rows is
  'Rows in the default partition of each partitioned table of the application, with a policy or without, counted up to 10,000. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'default_partition_rows',
  title => 'Rows without a partition of their own',
  healthy => 'No default partition holds rows.',
  why => 'They are found by no pruning and retired with no partition, and keep the partition that they belong to from being made.',
  unit => 'count', warning => 1
);
