create or replace function nightshift.soft_delete_policies()
returns setof nightshift.retention_policies
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p.*
  from nightshift.retention_policies p
  join pg_catalog.pg_attribute a on a.attrelid = p.relation and a.attname = p.marker_column and a.attnum > 0
  where p.enabled and (not a.attnotnull or p.flag_column is not null)
    -- One that every new row gets, as created_at does, says when that was written.
    and (p.flag_column is not null or not nightshift.is_set_by_default(p.relation, a.attname));
$$;

comment on function nightshift.soft_delete_policies is
  'The enabled policies whose marker says that a row was deleted: it can be null and has no time for a default, or has a flag beside it. Rows of others age by the time they were written.';
