create or replace function nightshift.edges_to_parents(relation regclass, out referenced regclass, out constraint_name name, out deleted_parents text, out in_the_way text)
returns setof record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
-- In this language a session plans the query once, as in key_of.
begin
  return query
  select s.relation, s.constraint_name, format(
    'select jsonb_agg(distinct p.nightshift_key) from (select %s from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
    || 'join (select %s, %s as nightshift_key from %s r where %s) p on %s',
    child_columns, child.key_definition, child.source, child.key_match,
    parent_columns, parent.key_object, parent.source, parent.deleted, nightshift.references_condition(c.oid)), format(
    'select jsonb_agg(jsonb_build_object(''key'', r.nightshift_key, ''blocking'', p.nightshift_key)) '
    || 'from (select %s, %s as nightshift_key from jsonb_to_recordset($2) as k(%s) join %s r on %s) r '
    || 'join (select %s, %s as nightshift_key from %s r where %s and (r.%I = $3) is not true%s) p on %s',
    child_columns, child.key_value, child.key_definition, child.source, child.key_match,
    parent_columns, parent.key_value, parent.source, parent.deleted, t.operation_column,
    -- In a table that refers to itself, what it belongs to may come back in the same call.
    case when s.relation = s.referencing then format(' and (%s) is not true and not exists (select from jsonb_to_recordset($2) as k(%s) where %s)',
      parent.since, parent.key_definition, parent.key_match) else '' end,
    nightshift.references_condition(c.oid))
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  join nightshift.soft_delete_tables t on t.relation = s.relation
  cross join lateral nightshift.soft_delete_rules(s.relation, false) parent
  cross join lateral nightshift.soft_delete_rules(s.referencing) child
  -- No more than they need, since a user may read some of the columns only.
  cross join lateral (
    select string_agg(format('r.%I', a.attname), ', ') filter (where a.attrelid = c.conrelid and a.attnum = any(c.conkey)),
      string_agg(format('r.%I', a.attname), ', ') filter (where a.attrelid = c.confrelid and a.attnum = any(c.confkey))
    from pg_catalog.pg_attribute a where a.attrelid in (c.conrelid, c.confrelid)
  ) n(child_columns, parent_columns)
  where s.referencing = edges_to_parents.relation
  order by s.relation::text, s.constraint_name;
end;
$$;

comment on function nightshift.edges_to_parents is
  'The foreign keys along which a deletion came to a table: the table referred to, the foreign key, and queries for the keys of its deleted rows to which the rows with the keys $1 refer, and for what keeps the rows with the keys $2 from coming back, where those that were deleted since $1, or by operation $3, come back with them: [{key, blocking: the key of a deleted row}], as callers know keys. Errors: see soft_delete_rules.';
