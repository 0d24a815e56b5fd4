create or replace function nightshift.own_due_condition(relation regclass, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('x.tableoid = any(%L::oid[]) and (%s) is true',
    array(select l::oid from nightshift.leaf_relations(p.relation) l),
    nightshift.due_condition('x', p.relation, p.drop_after, p.marker_column, p.flag_column, own_due_condition.as_of)), ' or ')
  from nightshift.related_policies(own_due_condition.relation) p
  where p.enabled;
$$;

comment on function nightshift.own_due_condition is
  'The SQL condition, for rows x of a table, that an enabled policy of its own lets them go; null without one.';
