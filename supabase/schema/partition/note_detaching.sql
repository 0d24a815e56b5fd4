create or replace function nightshift.note_detaching(policy nightshift.partition_policies, partition oid, run_id uuid)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- What an earlier night wrote down and never did: since then it may have been attached with other bounds.
  delete from nightshift.retired_partitions d where d.partition::oid = note_detaching.partition and d.status = 'detaching';
  insert into nightshift.retired_partitions (
    partition, partition_name, parent, parent_name, from_bound, to_bound, period, status, size_bytes, estimated_rows, run_id
  )
  select
    r.partition, r.partition::regclass::text, policy.parent, policy.parent::text, r.from_bound, r.to_bound,
    tsrange(r.lower, r.upper), 'detaching', pg_total_relation_size(r.partition),
    nullif(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)), -1), note_detaching.run_id
  from nightshift.read_partitions(array[policy.parent::oid]) r
  join pg_catalog.pg_class c on c.oid = r.partition
  where r.partition = note_detaching.partition;
$$;

comment on function nightshift.note_detaching is 'Writes down that a partition is about to be detached, with its bounds.';
