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
    -- As purge_keys has them, of this one child: its looks at all tables of a policy add up where there are forty.
    select c.oid as key, c.confrelid::regclass as referenced
    from nightshift.retention_keys k
    join pg_catalog.pg_constraint c
      on c.conrelid = k.referencing and c.conname = k.constraint_name and c.contype = 'f' and c.conparentid = 0
    where k.policy = child_condition.policy.relation and k.role = 'child' and k.referencing = child
      and exists (
        select
        from nightshift.related_tables(c.confrelid) r
        join nightshift.policy_members(array[child_condition.policy.relation::oid]) m on m.member::oid = r
      )
    order by c.oid
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
