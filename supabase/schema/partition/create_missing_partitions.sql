-- Room ahead: which partitions are missing, and the transaction that makes them.
-- Why: made apart and attached, a partition costs its table a lock that neither readers nor writers meet; only rows that
--      change partition keep everyone waiting.
-- Locks: SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on tables that
--        its foreign keys refer to; with a default partition ACCESS EXCLUSIVE on both, for as long as rows move.

create or replace function nightshift.create_missing_partitions(
  parent regclass,
  as_of timestamptz default now(),
  max_rows bigint default 50000,
  max_lock interval default '1 second'
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  patience constant text := current_setting('lock_timeout');
  policy nightshift.partition_policies;
  answer jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'NS422',
      message = format('Partitions are made under the isolation level read committed, not %s', current_setting('transaction_isolation')),
      detail = 'Under a fixed snapshot it could not see what appears before the lock.',
      hint = 'Call it outside of a transaction, or begin one with: begin isolation level read committed;';
  end if;
  if patience = '0' then
    perform set_config('lock_timeout', '2s', true);
  end if;
  policy := nightshift.lock_for_creation(parent);
  answer := nightshift.create_by_state(
    policy, nightshift.assess_partitions(array[policy.parent::oid], as_of), max_rows, max_lock
  );
  perform set_config('lock_timeout', patience, true);
  return answer;
end;
$$;

comment on function nightshift.create_missing_partitions is
  'Makes the partitions of a table that its policy asks for and that are not there: the present interval, premake more, and gaps; and moves rows of a default partition to where they belong, at most about max_rows in one call (default 50,000): the future first, then the present, then gaps from new to old. Harmless when repeated. For whoever owns the schema nightshift; jobs call create_partitions. Waits for locks as long as lock_timeout says, 2 s when that says for ever. Returns {created: [{partition, from, to, rows, warnings}], done, lockedMs}; not done: call it again. lockedMs: how long, in ms, the locks were held. max_lock: about how long everyone may have to wait in one call where there is a default partition, default 1 second; half of it may pass with reading that partition. Errors: NS404, NS422, NS423 the default partition is too large for that, 55P03 a lock was not to be had.';
