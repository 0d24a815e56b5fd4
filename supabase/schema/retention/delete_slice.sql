create or replace function nightshift.delete_slice(
  leaf regclass,
  condition text,
  slice text,
  referred text,
  deletes text,
  cascading oid[],
  out deleted_rows bigint,
  out children jsonb,
  out is_referred boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
set enable_seqscan = off
set enable_mergejoin = off
set enable_hashjoin = off
set enable_nestloop = on
set lock_timeout = '20ms'
as $$
declare
  -- A DELETE is its own lock: of a row that somebody else changes meanwhile, it asks the whole condition again. COALESCE keeps
  -- the planner from going by the index of the marker, each time past all that earlier slices have killed, and from looking
  -- there for the greatest marker, to know how many rows to expect.
  parents constant text := format(
    'delete from only %s t where %s and t.tableoid = %s and coalesce(%s, false)',
    nightshift.trusted_name(leaf), slice, leaf::oid, condition
  );
  cascaded bigint;
begin
  children := '{}';
  if deletes is null then
    execute parents;
    get diagnostics deleted_rows = row_count;
  else
    cascaded := nightshift.deleted_so_far(cascading);
    -- Foreign keys are checked at the end of the statement, when rows that refer to each other are all gone.
    execute format('with d0 as (%s returning %s)%s', parents, referred, deletes) into deleted_rows, children;
    if cardinality(cascading) > 0 and nightshift.deleted_so_far(cascading) - cascaded <> (
      select coalesce(sum(c.value::bigint), 0)
      from jsonb_each_text(children) c
      where exists (select from nightshift.all_leaf_relations(c.key::regclass) l where l::oid = any(cascading))
    ) then
      raise lock_not_available;
    end if;
  end if;
  is_referred := false;
exception
  when lock_not_available or deadlock_detected or serialization_failure then
    is_referred := false;
    deleted_rows := null;
  -- Since Postgres 18 a key with RESTRICT has a code of its own.
  when foreign_key_violation or restrict_violation then
    is_referred := true;
    deleted_rows := null;
end;
$$;

comment on function nightshift.delete_slice is
  'Deletes the rows t of a leaf that a condition is true for, in one slice of it (see next_slice), with their children (see children_of_slice; deletes is null where there are none), and returns how many, and how many of each table of children. deleted_rows is null, and none is deleted, when a row refers to one of them (is_referred), one of them is in use and not let go within lock_timeout, or ON DELETE CASCADE deleted a row that came in between and nobody has counted.';
