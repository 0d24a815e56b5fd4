create or replace function nightshift.reference_tree(policy regclass)
returns table (key oid, under oid, role text, own_policy boolean, name text, referenced regclass, referencing regclass, indexed boolean)
language plpgsql
stable
rows 10
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  keys constant nightshift.purge_key[] := array(select k from nightshift.purge_keys(array[reference_tree.policy::oid]) k);
  -- The tables of one level that lose rows, and the key that leads to each.
  tables oid[] := array[reference_tree.policy::oid];
  via oid[] := array[null::oid];
  next_tables oid[];
  next_via oid[];
  seen_tables oid[] := tables;
  seen_keys oid[] := '{}';
  found_key record;
begin
  while cardinality(tables) > 0 loop
    next_tables := '{}';
    next_via := '{}';
    for found_key in
      select k.*, f.via_key
      from unnest(keys) k
      cross join lateral (
        select f.via_key
        from unnest(tables, via) with ordinality f(relation, via_key, position)
        where f.relation = any(k.related)
        order by f.position
        limit 1
      ) f
      where k.key <> all(seen_keys)
      order by k.name
    loop
      key := found_key.key;
      under := found_key.via_key;
      role := found_key.role;
      own_policy := exists (select from nightshift.related_policies(found_key.referencing) p where p.enabled);
      name := found_key.name;
      referenced := found_key.referenced;
      referencing := found_key.referencing;
      indexed := found_key.indexed;
      return next;
      seen_keys := seen_keys || found_key.key;
      if found_key.role = 'child' and found_key.referencing::oid <> all(seen_tables) then
        seen_tables := seen_tables || found_key.referencing::oid;
        next_tables := next_tables || found_key.referencing::oid;
        next_via := next_via || found_key.key;
      end if;
    end loop;
    tables := next_tables;
    via := next_via;
  end loop;
end;
$$;

comment on function nightshift.reference_tree is
  'Who refers to rows that go by a policy, level by level: each foreign key of purge_keys once, where it is met first; under is the key that leads to the table it refers to, null for the table of the policy. own_policy: rows that refer may go by an enabled policy of their own.';
