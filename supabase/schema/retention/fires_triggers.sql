create or replace function nightshift.fires_triggers(rows nightshift.row_set[], scope oid[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select 1
    from (
      select r.relation from unnest(rows) r
      union
      select l.oid
      from nightshift.retention_keys k
      cross join lateral nightshift.related_tables(k.referencing) l(oid)
      where k.policy::oid = any(scope) and k.role = 'release'
    ) w(relation)
    -- One by one, by the index: a database has many triggers, most of them those of its foreign keys.
    cross join lateral (select from pg_catalog.pg_trigger t where t.tgrelid = w.relation and not t.tgisinternal offset 0) t
  );
end;
$$;

comment on function nightshift.fires_triggers is
  'Whether triggers of the application may fire when these rows go, on their own tables or where references are released.';
