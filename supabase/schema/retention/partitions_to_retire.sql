-- The purge leaves partitions that are wholly due to the partition policy of their table, for two nights.
-- Why: detaching them costs next to nothing; deleting their rows one by one first would cost as much as all the rest.
--      Here and elsewhere jit is off, or a function is plpgsql, because Postgres expects a thousand rows of every function,
--      and would compile for longer than the query runs.

create or replace function nightshift.partitions_to_retire(relation regclass, as_of timestamptz default now())
returns table (parent regclass, partition oid, key_column name, from_bound text, to_bound text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  root constant regclass := pg_partition_root(partitions_to_retire.relation);
  parents oid[];
  states nightshift.partition_state[];
begin
  if root is null then
    return;
  end if;
  parents := array(
    select p.parent::oid
    from nightshift.partition_policies p
    join pg_catalog.pg_partitioned_table t on t.partrelid = p.parent
    join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
    where p.enabled and p.retention is not null
      and pg_partition_root(p.parent) = root and nightshift.are_related(p.parent, partitions_to_retire.relation)
      -- On most nights none is due, and that is seen before all that is to be known of each is worked out.
      and exists (
        select from nightshift.partitions_before(
          p.parent, a.attname, (least(partitions_to_retire.as_of, now()) at time zone 'UTC' - p.retention) at time zone 'UTC'
        ) b
        where b not in (t.partrelid, t.partdefid)
      )
  );
  if parents = '{}' then
    return;
  end if;
  states := array(select a from nightshift.assess_partitions(parents, partitions_to_retire.as_of) a where a.due <> '{}' or a.kept <> '{}');
  if states = '{}' then
    return;
  end if;
  return query
  select r.parent::regclass, r.partition, a.key_column, r.from_bound, r.to_bound
  from unnest(states) a
  join nightshift.read_partitions(parents) r on r.parent = a.parent
  -- Two nights for the retirement; what it cannot take out by then is purged as ever.
  where r.partition = any(a.due) and r.upper > a.cutoff - interval '2 days' or r.partition = any(a.kept);
end;
$$;

comment on function nightshift.partitions_to_retire is
  'The partitions of a table, or around it, that a purge leaves alone: those that have been due to be retired for less than two days, and those that were attached again by hand.';
