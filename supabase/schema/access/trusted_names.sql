-- Asked once for many relations: asked of each, whose it is takes several times as long as to look for a due row in it.

create or replace function nightshift.trusted_names(relations oid[])
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  own_role constant oid := current_user::regrole;
  database_owner constant oid := (select d.datdba from pg_catalog.pg_database d where d.datname = current_database());
  family oid[] := relations;
  level oid[] := relations;
  -- Those that take a closer look.
  others oid[];
begin
  loop
    level := array(select distinct i.inhparent from pg_catalog.pg_inherits i where i.inhrelid = any(level));
    exit when level = '{}';
    family := family || level;
  end loop;
  others := array(
    select c.oid
    from unnest(family) f(oid)
    cross join lateral (select x.* from pg_catalog.pg_class x where x.oid = f.oid offset 0) c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where not (
      pg_has_role(c.relowner, own_role, 'usage')
      -- The schema public belongs to whoever owns the database.
      and pg_has_role(case n.nspowner when 'pg_database_owner'::regrole then database_owner else n.nspowner end, own_role, 'usage')
      and not (c.relhastriggers and exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and not t.tgisinternal
          and (t.tgqual is not null or not pg_has_role(p.proowner, own_role, 'usage'))
      ))
    )
  );

  return array(
    select coalesce((
      select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
      from (select x.* from pg_catalog.pg_class x where x.oid = r.oid offset 0) c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind <> 'p' and r.oid <> all(others)
        -- It may be one of what this is a part of.
        and not (c.relispartition and others <> '{}')
    ), nightshift.trusted_name(r.oid))
    from unnest(relations) with ordinality r(oid, position)
    order by r.position
  );
end;
$$;

comment on function nightshift.trusted_names is
  'What trusted_name says of each of these relations, in the same order, for statements that follow at once. Errors: those of trusted_name.';
