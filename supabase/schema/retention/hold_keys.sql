-- What a batch needs of other tables, it waits for before it holds a row. A migration that has one of them, and comes to a row of
-- the batch, would wait for that, and the batch for the migration: of two that wait for each other, Postgres ends the one that
-- began first. Where others have several of the tables, one after the other, it waits for all of them as long as for one: whoever
-- waits for the batch meanwhile would otherwise find a deadlock before the batch gives way. Besides, a statement waits for its
-- tables after it was written, and would read another once names are swapped.
-- Locks: at run time, where rows are to be locked, ROW EXCLUSIVE on the tables of policies, and on those of keys by which more is
--        deleted or changed; ACCESS SHARE on all others at both ends of the keys.

create or replace function nightshift.hold_keys(policies oid[], locking boolean, before nightshift.purge_key[] default null)
returns nightshift.purge_key[]
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  keys nightshift.purge_key[];
  policy oid;
  relations oid[];
  referencing oid[];
  written oid[] := '{}';
  names text[];
  held text[];
  locked text[];
  looked_at text[];
  started constant timestamptz := clock_timestamp();
  patience constant text := current_setting('lock_timeout');
  target record;
begin
  if locking and before is null then
    -- From here on nobody adds a key to one of these. A partition is held when its rows are chosen.
    for policy in select c.oid from pg_catalog.pg_class c where c.oid = any(policies) and c.relkind = 'r' order by c.oid loop
      perform set_config('lock_timeout', nightshift.rest_of_patience(patience, started), true);
      begin
        perform nightshift.trusted_name(policy);
        perform nightshift.hold_table(policy, 'for update');
      exception
        -- Refused, or dropped just now, which is seen where it is used; what is gone has a number for a name.
        when sqlstate 'NS422' or sqlstate 'NS404' or undefined_table or syntax_error then null;
      end;
    end loop;
    perform set_config('lock_timeout', patience, true);
  end if;
  keys := array(select k from nightshift.purge_keys(policies) k);
  if cardinality(keys) = 0 or keys = before then
    return keys;
  end if;

  referencing := array(select distinct k.referencing::oid from unnest(keys) k);
  relations := array(select unnest(referencing) union select k.referenced::oid from unnest(keys) k order by 1);
  if locking then
    written := array(
      select distinct k.referencing::oid
      from unnest(keys) k
      join pg_catalog.pg_constraint c on c.oid = k.key
      where k.role in ('child', 'release')
        -- These Postgres asks for rows, as if there were some that have come since.
        or c.confdeltype in ('c', 'n', 'd')
        -- In a circle, they may be due themselves.
        or k.referencing::oid in (
          select unnest(r.related) from (select distinct on (u.referenced) u.related from unnest(keys) u) r
        )
    );
  end if;
  loop
    begin
      names := nightshift.trusted_names(relations);
    exception
      -- One that is refused is refused where it is used.
      when sqlstate 'NS422' then
        relations := array(
          select r.oid from unnest(relations) r(oid) cross join lateral nightshift.find_stranger(r.oid) s where s.message is null order by r.oid
        );
        names := nightshift.trusted_names(relations);
    end;
    -- With the lock there, they are still called so.
    exit when names = held;
    select
      array_agg(t.name order by t.position) filter (where t.relation = any(written)),
      array_agg(t.name order by t.position) filter (where t.relation <> all(written))
    into locked, looked_at
    from (
      select r.relation, r.position,
        -- Of what is referred to, partitions are read one by one.
        case when c.relkind = 'p' and r.relation = any(referencing) then '' else 'only ' end || r.name as name
      from unnest(relations, names) with ordinality r(relation, name, position)
      cross join lateral (select c.relkind from pg_catalog.pg_class c where c.oid = r.relation offset 0) c
    ) t;
    begin
      if locked <> '{}' then
        execute format('lock table %s in row exclusive mode nowait', array_to_string(locked, ', '));
      end if;
      if looked_at <> '{}' then
        execute format('lock table %s in access share mode nowait', array_to_string(looked_at, ', '));
      end if;
    exception
      when lock_not_available then
        for target in
          select t.name, 'row exclusive' as mode from unnest(locked) t(name) union all select t.name, 'access share' from unnest(looked_at) t(name)
        loop
          perform set_config('lock_timeout', nightshift.rest_of_patience(patience, started), true);
          begin
            execute format('lock table %s in %s mode', target.name, target.mode);
          exception
            when lock_not_available then
              perform nightshift.raise_locked(array[relations[array_position(names, regexp_replace(target.name, '^only ', ''))]]);
          end;
        end loop;
        perform set_config('lock_timeout', patience, true);
    end;
    held := names;
  end loop;
  return keys;
end;
$$;

comment on function nightshift.hold_keys is
  'The foreign keys of policies (purge_keys), with the tables at both ends kept as they are, and under their names, until the end of the transaction; at once where they are those of before, which are held already. locking: as for a batch that deletes, which waits for no other table then. Errors: NS404 (see trusted_name), NS425 another session has locked one of the tables.';
