create or replace function nightshift.require_room_for_locks(policy regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Postgres has somewhat more room than it promises.
  room constant integer := current_setting('max_locks_per_transaction')::integer
    * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer);
  needed integer;
begin
  needed := (
    select count(*) + sum((select count(*) from pg_catalog.pg_index i where i.indrelid = t.oid))
    from (
      select distinct p.oid
      from nightshift.purge_keys(array[require_room_for_locks.policy::oid]) k
      cross join lateral nightshift.partitions_below(k.referencing) p(oid)
    ) t
  );
  if needed > room then
    raise exception using
      errcode = 'NS422',
      message = format('Postgres has no room for the locks that a deletion from %s takes, whoever deletes: one on each of %s tables, partitions and indexes that may refer to it',
        policy, needed),
      detail = format('max_locks_per_transaction is %s, for %s connections.', current_setting('max_locks_per_transaction'), current_setting('max_connections')),
      hint = format('Raise max_locks_per_transaction to %s, and restart the database; or drop partitions and indexes that nobody needs.',
        ceil(2.0 * needed * current_setting('max_locks_per_transaction')::integer / room));
  end if;
end;
$$;

comment on function nightshift.require_room_for_locks is
  'Raises NS422, with the setting to raise in the hint, when more locks than Postgres promises room for are needed to look who refers to a row that goes by a policy, as each deletion does.';
