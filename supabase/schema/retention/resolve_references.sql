-- Which rows may go: the largest set of due rows, and of rows that go with them, that no other row refers to.
-- Why: whatever the ON DELETE action of a foreign key, a row that something still needs stays, and nothing is cascaded away.
-- Locks: at run time row locks, never waited for, on the rows that are to go and on those whose reference is released, and
--        ROW EXCLUSIVE on their tables; ACCESS SHARE on all that refer to them.
--
-- Plans: batches look rows up by address and by foreign key, a few thousand at a time. A planner that assumes a cold disk
-- would often rather read a whole table, once a batch; hence the planner settings of those functions (a hash join stays
-- possible where a foreign key has no index), and due conditions written as `coalesce(..., false)`, where the address should
-- lead: no index of the marker can answer that, nor is it asked for the greatest marker, past all rows that the run has killed.

create or replace function nightshift.resolve_references(
  run nightshift.runs,
  seeds nightshift.row_set[],
  component oid[],
  locking boolean,
  max_rows integer,
  known_keys nightshift.purge_key[] default null,
  out rows_to_delete nightshift.row_set[],
  out held nightshift.held_row[],
  out released nightshift.released_row[],
  out reached nightshift.row_set[],
  out complete boolean,
  out ahead nightshift.row_set[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  policies constant oid[] := array(select distinct s.policy from unnest(seeds) s union select unnest(component));
  -- They are held since before the rows were chosen; only to a partition, somebody may have added a key until then.
  keys nightshift.purge_key[] := case
    when known_keys is null or exists (select from unnest(seeds) s where s.relation <> s.policy)
      then nightshift.hold_keys(policies, locking, known_keys)
    else known_keys
  end;
  has_children constant boolean := exists (select from unnest(keys) k where k.role = 'child');
  has_releases constant boolean := exists (select from unnest(keys) k where k.role = 'release');
  others nightshift.row_set[];
  locked nightshift.row_set[];
  keys_before nightshift.purge_key[];
  -- Whether all that goes along is still there, and for the reason for which it was found.
  is_whole boolean := true;
  released_rows nightshift.row_set[] := '{}';
  due_rows nightshift.row_set[];
  found_rows nightshift.held_row[];
  left_rows nightshift.row_set[];
  all_rows nightshift.row_set[];
begin
  reached := seeds;
  rows_to_delete := seeds;
  held := '{}';
  released := '{}';
  complete := true;
  ahead := '{}';
  if cardinality(seeds) = 0 then
    return;
  end if;
  if cardinality(component) > 0 or has_children then
    select r.* into reached, complete, ahead from nightshift.reach_rows(run, seeds, policies, keys, max_rows) r;
    if not complete then
      return;
    end if;
    -- Those that may be children are there as children where what they would go with is.
    rows_to_delete := array(select r from unnest(reached) r where r.due is not null);
    if locking then
      -- A seed may go as the child of another row as well, which its own policy says nothing of.
      others := nightshift.subtract_held(rows_to_delete, array(
        select row(s.policy, s.relation, t.tid, null, null)::nightshift.held_row
        from unnest(seeds) s cross join lateral unnest(s.tids) t(tid)
      ));
      locked := nightshift.lock_rows(run, others);
      rows_to_delete := seeds || locked;
      -- From here on nobody adds a key to one of these tables; somebody may have, until then.
      keys_before := keys;
      keys := nightshift.hold_keys(policies, locking, keys_before);
      -- A row that is changed while it is being locked is locked all the same, as what it is then, at another address.
      is_whole := nightshift.subtract_row_sets(others, locked) = '{}' and keys = keys_before;
    end if;
  end if;
  if has_releases then
    released := nightshift.find_released_rows(run.id, rows_to_delete, keys, max_rows + 1);
    released_rows := nightshift.subtract_row_sets(array(
      select row(null, r.relation, false, array_agg(r.tid))::nightshift.row_set from unnest(released) r group by r.relation
    ), rows_to_delete);
    complete := nightshift.count_rows(released_rows) <= max_rows;
    if not complete then
      return;
    end if;
    if locking then
      released_rows := nightshift.lock_rows(run, released_rows);
    end if;
  end if;

  perform nightshift.require_no_rule(array(select distinct r.relation from unnest(rows_to_delete) r), 'DELETE');
  perform nightshift.require_no_rule(array(select distinct r.relation from unnest(released_rows) r), 'UPDATE');
  -- A fresh look, after the locks: whoever would refer to a locked row now waits for us, whoever did before is seen.
  found_rows := array(select f from nightshift.find_needed_rows(run.id, rows_to_delete, released_rows, keys) f);
  if cardinality(found_rows) = 0 and is_whole then
    released := nightshift.stay_released(released, rows_to_delete);
    return;
  end if;
  all_rows := rows_to_delete;
  due_rows := array(select r from unnest(rows_to_delete) r where r.due);
  loop
    held := held || found_rows;
    left_rows := nightshift.subtract_held(rows_to_delete, found_rows);
    if has_children then
      left_rows := nightshift.find_covered_rows(left_rows, keys);
    end if;
    exit when nightshift.count_rows(left_rows) = nightshift.count_rows(rows_to_delete);
    -- What a row that stays refers to, stays.
    found_rows := array(
      select s
      from nightshift.spread_hold(
        left_rows,
        nightshift.fates_of(nightshift.subtract_row_sets(rows_to_delete, left_rows), held, keys),
        keys
      ) s
    );
    rows_to_delete := left_rows;
  end loop;
  released := nightshift.stay_released(released, rows_to_delete);
  if cardinality(held) > 0 and (has_children or cardinality(component) > 0 and cardinality(keys) > 1) then
    -- What stays for one reason was not asked for others, which hold it as well. Children that stay only because what they
    -- would go with stays have none, and are none.
    held := held || array(
      select s from nightshift.spread_hold(all_rows, array(select h from unnest(held) h where h.reason is not null), keys) s
      where (s.policy, s.relation, s.tid) in (select h.policy, h.relation, h.tid from unnest(held) h)
    );
  end if;
  held := nightshift.strongest_fates(held, due_rows);
end;
$$;

comment on function nightshift.resolve_references is
  'Of locked due rows (seeds), those that may go, with all that goes with them: rows_to_delete is the largest set, of what was reached from seeds, that no other row refers to, and released the references that are then set to null or default. held: those that stay, with each foreign key that keeps them. known_keys: what hold_keys said of their policies, and of component, before the rows were locked. reached: all that was looked at. Not complete, and nothing else, when more than max_rows would have to be looked at; ahead is then where to look first.';
