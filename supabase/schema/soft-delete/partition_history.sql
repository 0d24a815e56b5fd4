-- The history in partitions of a month, kept and dropped like those of any other table, from the first table with soft delete on.
-- Why not by the migration: a policy is work for partition-maintenance, which many have no other use for.
-- Locks: those of create_missing_partitions on the history, which nobody writes yet.

create or replace function nightshift.partition_history()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from pg_catalog.pg_inherits i
    where i.inhparent = 'nightshift.deletion_events'::regclass and i.inhrelid <> 'nightshift.deletion_events_default'::regclass
  ) then
    return;
  end if;
  insert into nightshift.partition_policies (parent, parent_name, every, premake, retention, retire, grace, max_fraction)
  values ('nightshift.deletion_events', 'nightshift.deletion_events', '1 month', 2, '13 months', 'drop', '7 days', 0.5)
  on conflict do nothing;
  -- Otherwise the next run makes them, and the default partition takes what comes until then.
  if current_setting('transaction_isolation') = 'read committed' then
    perform nightshift.create_missing_partitions('nightshift.deletion_events');
  end if;
end;
$$;

comment on function nightshift.partition_history is
  'Declares the partition policy of nightshift.deletion_events and makes its first partitions, unless it has any: a policy that was altered or removed since stays so. By default it keeps what is 13 months old.';
