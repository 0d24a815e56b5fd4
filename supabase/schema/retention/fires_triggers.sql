create or replace function nightshift.fires_triggers(rows nightshift.row_set[], scope oid[])
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select 1
    from pg_catalog.pg_trigger t
    where not t.tgisinternal
      and (
        t.tgrelid in (select r.relation from unnest(rows) r)
        or t.tgrelid in (
          select l.oid
          from nightshift.retention_keys k
          cross join lateral nightshift.related_tables(k.referencing) l(oid)
          where k.policy::oid = any(scope) and k.role = 'release'
        )
      )
  );
$$;

comment on function nightshift.fires_triggers is
  'Whether triggers of the application may fire when these rows go, on their own tables or where references are released.';
