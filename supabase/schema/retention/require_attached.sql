-- Rows of a partition that is half detached are seen by nobody who reads its table, and so by no foreign key of that: neither a
-- purge nor Postgres itself finds that they refer to a row, and once the detachment is finished, they refer to nothing.
-- A batch asks last: what was attached then was so when it looked, and it holds the table, for which a detachment waits.

create or replace function nightshift.require_attached(keys nightshift.purge_key[])
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  half record;
begin
  select i.inhrelid::regclass as partition, i.inhparent::regclass as parent into half
  from (select distinct k.referencing from unnest(keys) k) r
  cross join lateral (select c.oid from pg_catalog.pg_class c where c.oid = r.referencing and c.relkind = 'p' offset 0) c
  cross join lateral nightshift.partitions_below(c.oid) p(oid)
  cross join lateral (select i.* from pg_catalog.pg_inherits i where i.inhparent = p.oid offset 0) i
  where i.inhdetachpending
  order by i.inhrelid
  limit 1;
  if found then
    raise exception using
      errcode = 'NS425',
      message = format('%s is half detached from %s', half.partition, half.parent),
      detail = 'No foreign key sees its rows, which may refer to rows that are due. Nothing was deleted.',
      hint = format('Unless somebody is still detaching it: alter table %s detach partition %s finalize;', half.parent, half.partition);
  end if;
end;
$$;

comment on function nightshift.require_attached is
  'Raises NS425, with the fix in the hint, when a table of one of these foreign keys has a partition that is half detached.';
