create or replace function nightshift.require_trusted_referrers(relations oid[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Found by what depends on its columns: a key that is not enforced has no triggers, and there is no index by the table at the other end.
  perform nightshift.trusted_name(r.relation)
  from (
    select distinct (
      -- For each by itself: joined, all constraints of the database would be read.
      select k.conrelid::regclass from pg_catalog.pg_constraint k
      where k.oid = d.objid and k.contype = 'f' and k.confrelid = p.relation
    )
    from unnest(relations) p(relation)
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p.relation and d.refobjsubid > 0
      and d.classid = 'pg_catalog.pg_constraint'::regclass
  ) r(relation)
  where r.relation is not null;
end;
$$;

comment on function nightshift.require_trusted_referrers is
  'Raises NS422 when a table that refers to one of these by a foreign key could have code of someone else run (see trusted_name).';
