create or replace function nightshift.require_trusted_keys(parent regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.trusted_name(parent);
  perform nightshift.require_trusted_referrers(
    parent::oid || array(select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = require_trusted_keys.parent)
  );
end;
$$;

comment on function nightshift.require_trusted_keys is
  'Raises NS422 when a partitioned table, or a table that refers to it or to a partition of it, could have code of someone else run (see trusted_name): Postgres reads the latter, with our rights, when a partition is detached.';
