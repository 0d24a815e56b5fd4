create or replace function nightshift.require_own_rows(relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  elsewhere regclass;
begin
  select c.oid into elsewhere
  from nightshift.partitions_below(relation) l(oid)
  -- One by one: a thousand partitions are expected of every table, and all of pg_class would be read for those as well.
  cross join lateral (select c.oid, c.relkind from pg_catalog.pg_class c where c.oid = l.oid offset 0) c
  where c.relkind = 'f'
  limit 1;
  if found then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a partition that is a foreign table: %s', relation, elsewhere),
      hint = format('Rows elsewhere cannot be locked and purged from here. Declare policies on the partitions that are here, or: alter table %s detach partition %s;',
        relation, elsewhere);
  end if;
end;
$$;

comment on function nightshift.require_own_rows is
  'Raises NS422, with the fix in the hint, when a partition of a table is a foreign table.';
