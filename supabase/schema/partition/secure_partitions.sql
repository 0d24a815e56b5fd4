-- How large partitions are and what they expose, and the way to close them.
-- Why: partitions inherit neither row level security nor the lack of a grant.
-- Locks: ACCESS EXCLUSIVE on each partition that is closed, for a moment.

create or replace function nightshift.secure_partitions(parent regclass)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set jit = off
as $$
declare
  exposed oid[] := (select f.exposed from nightshift.partition_faults(array[secure_partitions.parent::oid]) f);
begin
  if not exists (select 1 from pg_catalog.pg_partitioned_table t where t.partrelid = parent) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is not a partitioned table', parent),
      hint = 'Name the table whose partitions are to be closed to the API.';
  end if;
  perform nightshift.secure_partition(p::regclass) from unnest(exposed) p;
  return (select coalesce(jsonb_agg(p::regclass::text order by p::regclass::text), '[]') from unnest(exposed) p);
end;
$$;

comment on function nightshift.secure_partitions is
  'Enables row level security on the partitions that the API exposes past their table, and revokes what anon and authenticated may do with them; through the table all stays as it is. For whoever owns the table. Locks each of them for a moment, waiting at most 1 s. Returns their names as a JSON array. Errors: NS422.';
