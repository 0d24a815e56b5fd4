create or replace function nightshift.soft_delete_policies()
returns setof nightshift.retention_policies
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p.*
  from nightshift.retention_policies p
  join pg_catalog.pg_attribute a on a.attrelid = p.relation and a.attname = p.marker_column and a.attnum > 0
  where p.enabled
    and (
      p.flag_column is not null
      -- No catalog tells an expiry from a deletion, nor a time that a trigger fills in: only the name does.
      or a.attname ~* 'delet|remov|trash|discard|archiv|destroy|eras|tombston'
        and not nightshift.is_set_by_default(p.relation, a.attname)
        -- What every row must have says "not deleted" by a time that never is.
        and (not a.attnotnull or a.atthasdef)
    );
end;
$$;

comment on function nightshift.soft_delete_policies is
  'The enabled policies whose marker says that a row was deleted: it has a flag beside it, or it is named for that, as deleted_at or "removedOn" are, and a row can be without it. Rows of others age by when they were written, used, or will expire.';
