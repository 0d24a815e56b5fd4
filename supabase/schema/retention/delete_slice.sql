create or replace function nightshift.delete_slice(
  leaf regclass,
  condition text,
  after tid,
  before tid,
  out deleted_rows bigint,
  out is_referred boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set lock_timeout = '20ms'
as $$
begin
  -- A DELETE is its own lock: of a row that somebody else changes meanwhile, it asks the whole condition again. IS TRUE keeps
  -- the planner from going by the index of the marker, each time past all that earlier slices have killed.
  execute format(
    'delete from only %s t where t.ctid > %L and t.ctid < %L and t.tableoid = %s and (%s) is true',
    nightshift.trusted_name(leaf), after, before, leaf::oid, condition
  );
  get diagnostics deleted_rows = row_count;
  is_referred := false;
exception
  when lock_not_available or deadlock_detected or serialization_failure then
    is_referred := false;
  -- Since Postgres 18 a key with RESTRICT has a code of its own.
  when foreign_key_violation or restrict_violation then
    is_referred := true;
end;
$$;

comment on function nightshift.delete_slice is
  'Deletes the rows t of a leaf that a condition is true for, between two addresses, both left out, and returns how many. deleted_rows is null, and none is deleted, when a row refers to one of them (is_referred), or one of them is in use and not let go within lock_timeout.';
