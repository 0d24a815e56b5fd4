create or replace function nightshift.settle_owner()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  owner oid;
  statement text;
begin
  select n.nspowner into owner from pg_catalog.pg_namespace n where n.nspname = 'nightshift';
  for statement in
    select format('alter %s %s owner to %I', case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass, owner::regrole)
    from pg_catalog.pg_class c
    where c.relnamespace = 'nightshift'::regnamespace and c.relowner <> owner
      and (
        c.relkind in ('r', 'p')
        -- The sequence of a column goes with its table.
        or c.relkind = 'S' and not exists (
          select 1 from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
        )
      )
    union all
    select format('alter type %s owner to %I', t.oid::regtype, owner::regrole)
    from pg_catalog.pg_type t
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where t.typnamespace = 'nightshift'::regnamespace and t.typowner <> owner
      and (t.typtype in ('d', 'e') or c.relkind = 'c')
    union all
    select format('alter routine %s owner to %I', f.oid::regprocedure, owner::regrole)
    from pg_catalog.pg_proc f
    where f.pronamespace = 'nightshift'::regnamespace and f.proowner <> owner
  loop
    execute statement;
  end loop;
end;
$$;

comment on function nightshift.settle_owner is
  'Gives all that is in the schema to the owner of the schema: what a migration has added belongs to whoever applied it, and functions of two owners would act with the rights of two.';
