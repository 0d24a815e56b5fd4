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
  parents oid[] := array(
    select p.parent::oid from nightshift.partition_policies p where p.enabled and p.retention is not null
  );
begin
  if parents = '{}' then
    return;
  end if;
  parents := array(
    select t.relid::oid from pg_catalog.pg_partition_tree(partitions_to_retire.relation) t where t.relid::oid = any(parents)
    union
    select a.relid::oid from pg_catalog.pg_partition_ancestors(partitions_to_retire.relation) a(relid) where a.relid::oid = any(parents)
  );
  if parents = '{}' then
    return;
  end if;
  return query
  select r.parent::regclass, r.partition, a.key_column, r.from_bound, r.to_bound
  from nightshift.assess_partitions(parents, partitions_to_retire.as_of) a
  join nightshift.read_partitions(parents) r on r.parent = a.parent
  -- Two nights for the retirement; what it cannot take out by then is purged as ever.
  where r.partition = any(a.due) and r.upper > a.cutoff - interval '2 days' or r.partition = any(a.kept);
end;
$$;

comment on function nightshift.partitions_to_retire is
  'The partitions of a table, or around it, that a purge leaves alone: those that have been due to be retired for less than two days, and those that were attached again by hand.';
