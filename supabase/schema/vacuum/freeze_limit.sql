create or replace function nightshift.freeze_limit(kind text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- From there on Postgres reads the whole table when it is vacuumed, and a little later autovacuum comes and gives way to nobody.
  select least(
    current_setting(format('vacuum_%sfreeze_table_age', freeze_limit.kind))::bigint,
    (0.75 * current_setting(format('autovacuum_%sfreeze_max_age', freeze_limit.kind))::bigint)::bigint
  );
$$;

comment on function nightshift.freeze_limit is
  'The age in transactions (kind: an empty text) or in multixacts (kind: multixact_) from which on a vacuum of a table freezes its old rows.';
