create or replace function nightshift.hold_children(policy_relation regclass)
returns nightshift.purge_key[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Each is locked with its indexes, and all sessions have room for a few thousand locks.
  max_tables constant integer := 100;
  keys nightshift.purge_key[] := array(select k from nightshift.purge_keys(array[policy_relation::oid]) k);
  held oid[];
  child oid;
begin
  loop
    held := array(
      select distinct r from unnest(keys) k cross join lateral nightshift.related_tables(k.referencing) r where k.role = 'child' order by r
    );
    if cardinality(held) = 0 then
      return keys;
    elsif cardinality(held) > max_tables
      -- A foreign table cannot be held.
      or exists (select from pg_catalog.pg_class c where c.oid = any(held) and c.relkind not in ('r', 'p')) then
      return null;
    end if;
    foreach child in array held loop
      perform nightshift.hold_table(child, 'for update');
    end loop;
    -- From here on nobody adds a key to one of these tables; somebody may have, until then.
    keys := array(select k from nightshift.purge_keys(array[policy_relation::oid]) k);
    exit when held @> array(
      select r from unnest(keys) k cross join lateral nightshift.related_tables(k.referencing) r where k.role = 'child'
    );
  end loop;
  return keys;
end;
$$;

comment on function nightshift.hold_children is
  'The foreign keys of a policy (purge_keys), with the tables of children held as they are until the end of the transaction; null when those are too many to be held, or foreign tables.';
