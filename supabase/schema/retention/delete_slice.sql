create or replace function nightshift.delete_slice(leaf regclass, due text, after tid, before tid)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set lock_timeout = '20ms'
as $$
declare
  deleted_rows bigint;
begin
  -- A DELETE is its own lock: of a row that somebody else changes meanwhile, it asks the whole condition again. IS TRUE keeps
  -- the planner from going by the index of the marker, each time past all that earlier slices have killed.
  execute format(
    'delete from only %s r where r.ctid > %L and r.ctid < %L and r.tableoid = %s and (%s) is true',
    nightshift.trusted_name(leaf), after, before, leaf::oid, due
  );
  get diagnostics deleted_rows = row_count;
  return deleted_rows;
exception
  when lock_not_available or deadlock_detected or serialization_failure then
    return null;
end;
$$;

comment on function nightshift.delete_slice is
  'Deletes the due rows of a leaf between two addresses, both left out, and returns how many; null, and none is deleted, when one of them is in use and is not let go within lock_timeout. due: the condition on r from due_condition.';
