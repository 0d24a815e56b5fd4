create or replace function nightshift.why_not_retire_so_many(policy nightshift.partition_policies, due integer, begun_partitions integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s of the %s partitions that have begun would be retired, more than max_fraction (%s) allows',
    why_not_retire_so_many.due, why_not_retire_so_many.begun_partitions, policy.max_fraction)
  where why_not_retire_so_many.due > policy.max_fraction * why_not_retire_so_many.begun_partitions;
$$;

comment on function nightshift.why_not_retire_so_many is
  'The brake, in words: more are due than max_fraction of the partitions that have begun; null when not.';
