-- A statement waits for its tables after it was written, and a migration that swaps names meanwhile would have it read another.
-- Locks: at run time ACCESS SHARE on all tables at both ends of the keys.

create or replace function nightshift.hold_keys(policies oid[], before nightshift.purge_key[] default '{}')
returns nightshift.purge_key[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  keys constant nightshift.purge_key[] := array(select k from nightshift.purge_keys(policies) k);
  relations oid[];
  names text[];
  held text[] := '{}';
begin
  if keys = before then
    return keys;
  end if;
  relations := array(
    select distinct v.relation from unnest(keys) k cross join lateral (values (k.referencing::oid), (k.referenced::oid)) v(relation)
    order by v.relation
  );
  loop
    begin
      names := nightshift.trusted_names(relations);
    exception
      -- One that is refused is refused where it is used.
      when sqlstate 'NS422' then
        names := nightshift.trusted_names(array(
          select r.oid from unnest(relations) r(oid) cross join lateral nightshift.find_stranger(r.oid) s where s.message is null order by r.oid
        ));
    end;
    -- With the lock there, they are still called so.
    exit when names = held;
    execute format('lock table only %s in access share mode', array_to_string(names, ', only '));
    held := names;
  end loop;
  return keys;
end;
$$;

comment on function nightshift.hold_keys is
  'The foreign keys of policies (purge_keys), with the tables at both ends kept as they are, and under their names, until the end of the transaction; at once where they are those of before, which are held already. Errors: NS404 (see trusted_name).';
