create or replace function nightshift.raise_locked(relations oid[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  relation oid := relations[1];
  holder integer;
begin
  -- Of several, and of the partitions of one, that which somebody has just now: it may have let go of it since.
  with recursive tree(position, relid) as (
    select r.position, r.oid from unnest(relations) with ordinality r(oid, position)
    union
    -- pg_partition_tree would wait for the partitions.
    select t.position, i.inhrelid from tree t join pg_catalog.pg_inherits i on i.inhparent = t.relid
  )
  select l.relation, l.pid into relation, holder
  from tree t
  join pg_catalog.pg_locks l on l.relation = t.relid and l.locktype = 'relation' and l.granted
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  where l.pid is distinct from pg_backend_pid()
  order by l.mode = 'AccessExclusiveLock' desc, t.position, l.relation
  limit 1;
  raise exception using
    errcode = 'NS425',
    message = format('%s is locked by %s', coalesce(relation, relations[1])::regclass,
      case when relation is null then 'another session' else coalesce('process ' || holder, 'a prepared transaction') end),
    detail = 'Nothing was changed by this call.',
    hint = 'A migration perhaps. The next run tries again; where it stays locked, wait until that ends, or end it with pg_terminate_backend or rollback prepared.';
end;
$$;

comment on function nightshift.raise_locked is
  'Raises NS425 in the place of SQLSTATE 55P03, which names no table: with that of these tables, or of their partitions, which another session has locked, and who that is.';
