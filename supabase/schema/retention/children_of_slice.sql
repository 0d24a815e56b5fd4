create or replace function nightshift.children_of_slice(
  policy_relation regclass,
  keys nightshift.purge_key[],
  out is_tree boolean,
  out referred text,
  out deletes text,
  out cascading oid[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  child_keys constant nightshift.purge_key[] := array(select k from unnest(keys) k where k.role = 'child');
  -- The part of the statement that deletes the rows of a table.
  parts jsonb := jsonb_build_object(policy_relation::oid, 'd0');
  counts text;
  key record;
  part text;
begin
  if cardinality(child_keys) = 0 then
    is_tree := true;
    cascading := '{}';
    return;
  end if;
  referred := nightshift.columns_referred(policy_relation, child_keys, 't');
  deletes := '';
  loop
    select k.* into key
    from unnest(child_keys) k
    where parts ? k.referenced::oid::text and not parts ? k.referencing::oid::text
    order by k.key
    limit 1;
    exit when not found;
    part := 'd' || (select count(*) from jsonb_object_keys(parts));
    deletes := deletes || format(', %s as (delete from %s x using %s t where %s returning %s)',
      part, nightshift.scan_of(key.referencing), parts ->> key.referenced::oid::text, nightshift.join_condition(key.key),
      nightshift.columns_referred(key.referencing, child_keys, 'x'));
    counts := concat_ws(' union all ', counts, format('select %L, count(*) from %s', key.referencing, part));
    parts := parts || jsonb_build_object(key.referencing::oid, part);
  end loop;
  deletes := case when counts is not null then deletes || format(
    ' select (select count(*) from d0),
       (select coalesce(jsonb_object_agg(c.relation, c.n), ''{}'') from (%s) c(relation, n) where c.n > 0)', counts) end;
  -- A table that is reached in two ways, or in a circle, has more keys than parts.
  is_tree := (select count(*) from jsonb_object_keys(parts)) = 1 + cardinality(child_keys);
  cascading := array(
    select distinct l::oid
    from unnest(child_keys) k
    join pg_catalog.pg_constraint c on c.oid = k.key and c.confdeltype = 'c'
    cross join lateral nightshift.all_leaf_relations(k.referencing) l
  );
end;
$$;

comment on function nightshift.children_of_slice is
  'How the children of rows go in the same statement: after a part d0 that deletes rows t of the policy''s table and returns what is referred, deletes goes on with the parts for all tables of children, and returns how many rows went, and how many of each table of children that lost any; null when there are none. is_tree: false when children are reached in more than one way, so that this does not do. cascading: the tables from which ON DELETE CASCADE deletes what comes in between. Errors: NS404, NS422 (see trusted_name, trusted_operator).';
