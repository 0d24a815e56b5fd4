create or replace function nightshift.own_due_condition(relation regclass, as_of timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(nightshift.due_by_policy('x', p, own_due_condition.as_of), ' or ')
  from nightshift.related_policies(own_due_condition.relation) p
  where p.enabled;
$$;

comment on function nightshift.own_due_condition is
  'The SQL condition, for rows x of a table, that an enabled policy of its own lets them go; null without one.';
