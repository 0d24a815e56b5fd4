create or replace function nightshift.measure_retention_backlog(
  run_id uuid,
  fence bigint,
  relation text
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '8s'
-- It reads several tables: a migration that takes them in another order is not the one to fail after deadlock_timeout.
set lock_timeout = '500ms'
set jit = off
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  context text;
begin
  return nightshift.measure_for_run(run, relation);
exception
  when lock_not_available then
    perform nightshift.raise_locked(
      nightshift.find_relation(relation)::oid
      || array(select k.referencing::oid from nightshift.purge_keys(array[nightshift.find_relation(relation)::oid]) k)
    );
  when serialization_failure then
    get stacked diagnostics context = pg_exception_context;
    perform nightshift.raise_conflict(context);
end;
$$;

comment on function nightshift.measure_retention_backlog is
  'The backlog of one policy as of the start of the run: dueRows, totalRows, their Exact flags, oldestDueAt, overdueSeconds; of each table of children, estimates of totalRows and of how many of them refer to due rows; and assess: whether so much would go that the brake has to be asked with purge_batch first. Measured once and kept in the ledger, so that a continued run knows what it began with. measure_retention_rest says what is left after the purge. Very many due rows of a table over 32 MB are only estimated, unless it comes near the limit of the brake. Besides: warnings, and keys (see describe_holding_keys), which are looked up anew each time. statement_timeout 8 s: with very many foreign keys, it takes a busy server seconds. Errors: NS404, NS409, NS422, NS425.';
