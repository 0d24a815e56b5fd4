-- What is known of a table that may have to be vacuumed.

do $$
begin
  create type nightshift.vacuum_state as (
    relation oid,
    name text,
    kind "char",
    dead_rows bigint,
    live_rows bigint,
    changed_rows bigint,
    freeze_age bigint,
    reason text,
    purged_at timestamptz
  );
exception
  when duplicate_object then null;
end;
$$;

comment on type nightshift.vacuum_state is 'A table as vacuum_states finds it.';
