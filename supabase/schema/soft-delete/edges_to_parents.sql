create or replace function nightshift.edges_to_parents(relation regclass, out referenced regclass, out deleted_parents text)
returns setof record
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select s.relation, format(
    'select jsonb_agg(distinct p.key) from (select r.* from jsonb_to_recordset($1) as k(%s) join %s r on %s) r '
    || 'join (select r.*, %s as key from %s r where %s) p on %s',
    child.key_definition, child.source, child.key_match,
    parent.key_object, parent.source, parent.deleted, nightshift.references_condition(c.oid))
  from nightshift.soft_delete_cascades s
  join pg_catalog.pg_constraint c on c.conrelid = s.referencing and c.conname = s.constraint_name and c.contype = 'f'
  cross join lateral nightshift.soft_delete_rules(s.relation, false) parent
  cross join lateral nightshift.soft_delete_rules(s.referencing) child
  where s.referencing = edges_to_parents.relation
  order by s.relation::text, s.constraint_name;
$$;

comment on function nightshift.edges_to_parents is
  'The foreign keys along which a deletion came to a table: the table referred to, and the query for the keys of its deleted rows to which the rows with the keys $1 refer. Errors: see soft_delete_rules.';
