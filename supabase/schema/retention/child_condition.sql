create or replace function nightshift.child_condition(
  policy nightshift.retention_policies,
  child regclass,
  as_of timestamptz,
  depth integer default 0
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  above text;
  condition text;
begin
  -- More levels than there are tables: they go round in a circle.
  if depth > (select count(*) from nightshift.retention_keys k where k.policy = child_condition.policy.relation) then
    return null;
  end if;
  for key in
    select k.referenced, k.key from nightshift.purge_keys(array[policy.relation::oid]) k
    where k.role = 'child' and k.referencing = child
  loop
    if policy.relation::oid in (select nightshift.related_tables(key.referenced)) then
      above := nightshift.due_condition(
        't', policy.relation, policy.drop_after, policy.marker_column, policy.flag_column, as_of);
    else
      above := 'exists (select from (select t.*) x where ' || nightshift.child_condition(policy, key.referenced, as_of, depth + 1) || ')';
    end if;
    if above is null then
      return null;
    end if;
    condition := concat_ws(' or ', condition,
      format('exists (select from %s t where %s and %s)', nightshift.scan_of(key.referenced), nightshift.join_condition(key.key), above));
  end loop;
  -- The key that made it a child may be gone.
  return coalesce('(' || condition || ')', 'false');
end;
$$;

comment on function nightshift.child_condition is
  'The SQL condition, for rows x of a table of children, that they lead to a due row; null when children refer to each other in a circle.';
