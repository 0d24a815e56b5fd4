create or replace function nightshift.reattach_partition(partition regclass)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
set jit = off
as $$
declare
  parent_name text;
  partition_name text;
  record nightshift.retired_partitions;
  default_partition regclass;
  failed_table text;
  violated text;
  explained record;
  context text;
begin
  select d.* into record
  from nightshift.retired_partitions d
  where d.partition = reattach_partition.partition and d.status in ('detached', 'detaching')
  order by d.id desc
  limit 1
  for update;
  if not found then
    raise exception using
      errcode = 'NS404',
      message = format('Nightshift has not retired %s', partition),
      detail = format('Retired and still there: %s', coalesce((
        select string_agg(d.partition_name, ', ' order by d.id) from nightshift.retired_partitions d where d.status = 'detached'
      ), 'none')),
      hint = 'One that was dropped is gone: restore it from a backup.';
  end if;
  partition_name := nightshift.trusted_name(partition);
  if exists (
    select 1 from pg_catalog.pg_inherits i
    where i.inhrelid = partition and i.inhparent = record.parent and i.inhdetachpending
  ) then
    execute format('alter table %s detach partition %s finalize', nightshift.trusted_name(record.parent), partition_name);
  elsif (select c.relispartition from pg_catalog.pg_class c where c.oid = partition) then
    raise exception using
      errcode = 'NS422',
      message = format('%s is attached to a table', partition),
      hint = 'There is nothing to do.';
  end if;
  select nullif(t.partdefid, 0) into default_partition
  from pg_catalog.pg_partitioned_table t where t.partrelid = record.parent;
  if default_partition is null then
    execute format('lock table only %s in share update exclusive mode', record.parent);
  else
    perform nightshift.lock_for_change(record.parent, default_partition);
  end if;
  parent_name := nightshift.trusted_name(record.parent);
  perform nightshift.require_checked_keys(record.parent, partition);
  execute format('alter table %s drop constraint if exists nightshift_retired', partition_name);
  begin
    execute format('alter table %s attach partition %s for values from (%s) to (%s)',
      parent_name, partition_name, record.from_bound, record.to_bound);
  exception
    when integrity_constraint_violation or invalid_object_definition or invalid_table_definition or datatype_mismatch
      or undefined_column or undefined_object
    then
      get stacked diagnostics failed_table = table_name, violated = constraint_name;
      select e.* into explained from nightshift.explain_attach_failure(record, sqlstate, sqlerrm, failed_table, violated) e;
      raise exception using
        errcode = 'NS422',
        message = format('%s cannot be attached again', partition),
        detail = explained.detail,
        hint = explained.hint;
  end;
  update nightshift.retired_partitions d set status = 'reattached', ended_at = clock_timestamp() where d.id = record.id;
  return jsonb_build_object('partition', partition::text, 'table', record.parent::text);
exception
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.reattach_partition is
  'Makes a retired partition, or one that is half detached, part of its table again, with the bounds it had. It is not retired again until nightshift.alter_partition_policy is given a retention. Waits for locks at most 2 s; reads the partition once. It stays closed to the API: who may read it reads the table. Returns {partition, table}. Errors: NS404, NS422 its time is taken, 55P03.';
