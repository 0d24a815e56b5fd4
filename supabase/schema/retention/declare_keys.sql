-- What a policy says of the foreign keys that refer to its rows: children that go along, references that are released, and
-- rows that may stay. What is not named holds its row, and ON DELETE implies nothing.

create or replace function nightshift.declare_keys(policy regclass, with_children text[], release text[], keep text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  given record;
  entries text[];
  left_over text[];
  entry text;
  named oid[];
  found_keys oid[];
  keys nightshift.purge_key[];
begin
  -- Children first: the other two may name what refers to them.
  for given in
    select g.role, g.entries
    from (values (1, 'child', with_children), (2, 'release', release), (3, 'keep', keep)) g(position, role, entries)
    where g.entries is not null
    order by g.position
  loop
    delete from nightshift.retention_keys k where k.policy = declare_keys.policy and k.role = given.role;
    entries := given.entries;
    -- Level by level, whatever the order of the names: a child may be the child of one that is named after it, and one that
    -- refers to these rows and to children of theirs goes with these.
    while cardinality(entries) > 0 loop
      left_over := '{}';
      found_keys := '{}';
      keys := coalesce(keys, array(select k from nightshift.purge_keys(array[policy::oid]) k));
      foreach entry in array entries loop
        named := nightshift.find_keys(policy, entry, keys);
        if cardinality(named) = 0 then
          left_over := left_over || entry;
        else
          found_keys := found_keys || named;
        end if;
      end loop;
      perform nightshift.add_key(policy, k, given.role) from unnest(found_keys) k;
      if given.role = 'child' then
        -- They lead to others; what is released or kept does not.
        keys := null;
      end if;
      if cardinality(left_over) = cardinality(entries) then
        perform nightshift.refuse_key(policy, left_over[1]);
      end if;
      entries := left_over;
    end loop;
  end loop;
  perform nightshift.require_reached_keys(policy);
end;
$$;

comment on function nightshift.declare_keys is
  'Replaces what a policy says of foreign keys, as far as it is given. Errors: NS422, with the fix in the hint, for a table that does not refer to these rows, has several keys to them, or whose rows cannot be deleted or released.';
