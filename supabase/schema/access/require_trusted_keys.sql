create or replace function nightshift.require_trusted_keys(parent regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nightshift.trusted_name(parent);
  -- Found by what depends on its columns: a key that is not enforced has no triggers, and there is no index by the table at the other end.
  perform nightshift.trusted_name(r.relation)
  from (
    select distinct (
      -- For each by itself: joined, all constraints of the database would be read.
      select k.conrelid::regclass from pg_catalog.pg_constraint k
      where k.oid = d.objid and k.contype = 'f' and k.confrelid = p.relation
    )
    from (
      select require_trusted_keys.parent::oid
      union all
      select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = require_trusted_keys.parent
    ) p(relation)
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p.relation and d.refobjsubid > 0
      and d.classid = 'pg_catalog.pg_constraint'::regclass
  ) r(relation)
  where r.relation is not null;
end;
$$;

comment on function nightshift.require_trusted_keys is
  'Raises NS422 when a partitioned table, or a table that refers to it or to a partition of it, could have code of someone else run (see trusted_name): Postgres reads the latter, with our rights, when a partition is detached.';
