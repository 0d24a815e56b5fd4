create or replace function nightshift.hold_partition_run(run_id uuid, fence bigint, lock_timeout_ms integer)
returns nightshift.runs
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions change under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see, under the lock, what changed before it.',
      hint = 'alter role authenticator reset default_transaction_isolation; or the setting of the database.';
  end if;
  if run.dry_run then
    raise exception using errcode = 'NS422', message = 'A dry run changes nothing', hint = 'Begin a run without dry_run.';
  end if;
  if lock_timeout_ms is null or lock_timeout_ms not between 1 and 5000 then
    raise exception using
      errcode = 'NS422',
      message = 'lock_timeout_ms must be from 1 to 5000',
      hint = 'It is how long others may queue behind a lock that is not to be had; begin with 100, and repeat.';
  end if;
  perform set_config('lock_timeout', lock_timeout_ms::text, true);
  return run;
end;
$$;

comment on function nightshift.hold_partition_run is
  'What every DDL of a run begins with: the fence, whether the run has to end, and how long it may wait for a lock (until the end of the transaction). Errors: NS409, NS410, NS422.';
