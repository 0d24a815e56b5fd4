create or replace function nightshift.lock_slice(
  leaf regclass,
  condition text,
  slice text,
  out chosen tid[],
  out passed_over bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
as $$
begin
  execute format(
    'select coalesce(array_agg(r.ctid), ''{}'') from (
       select t.ctid from only %s t where %s and t.tableoid = %s and coalesce(%s, false)
       for update skip locked
     ) r',
    nightshift.trusted_name(leaf), slice, leaf::oid, condition
  ) into chosen;
  execute format(
    'select count(*) from only %s t where %s and t.tableoid = %s and coalesce(%s, false) and t.ctid <> all($1)',
    nightshift.trusted_name(leaf), slice, leaf::oid, condition
  ) into passed_over using chosen;
end;
$$;

comment on function nightshift.lock_slice is
  'Locks the rows t of a leaf that a condition is true for, in one slice of it (see next_slice); passed_over: how many are in use.';
