create or replace function nightshift.edges_to_children(relation regclass, out referencing regclass, out constraint_name name, out children text)
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
  select s.referencing, s.constraint_name, format(
    'select jsonb_agg(c.key) from (select %s as key '
    || 'from (select %s from jsonb_to_recordset($1) as k(%s) join %s r on %s) p join %s r on %s where not (%s)) c',
    child.key_object, parent_columns, parent.key_definition, parent.source, parent.key_match, child.source,
    nightshift.references_condition(c.oid), child.deleted)
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  cross join lateral nightshift.soft_delete_rules(s.relation) parent
  cross join lateral nightshift.soft_delete_rules(s.referencing) child
  -- No more than it needs, since a user may read some of the columns only.
  cross join lateral (
    select string_agg(format('r.%I', a.attname), ', ')
    from pg_catalog.pg_attribute a where a.attrelid = c.confrelid and a.attnum = any(c.confkey)
  ) n(parent_columns)
  where s.relation = edges_to_children.relation
  order by s.referencing::text, s.constraint_name;
end;
$$;

comment on function nightshift.edges_to_children is
  'The foreign keys along which a deletion in a table goes on: the table that refers, the foreign key, and the query for the keys of its rows that are not deleted and refer to the rows with the keys $1. Errors: see soft_delete_rules.';
