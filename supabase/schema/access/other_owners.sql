create or replace function nightshift.other_owners()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'owner', o.owner, 'tables', o.tables, 'example', o.example::text, 'fix', nightshift.hint_for_owner(o.role, null)
  ) order by o.owner), '[]')
  from (
    select c.relowner as role, pg_get_userbyid(c.relowner) as owner, count(*) as tables, (min(c.oid::bigint)::oid)::regclass as example
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname not in ('pg_catalog', 'information_schema', 'nightshift')
      and not pg_has_role(c.relowner, current_user::regrole, 'member')
      -- Others than the roles above and beside it are no affair of an application's tables.
      and pg_has_role(current_user, c.relowner, 'member')
      and nightshift.advice_for_supabase_table(c.oid) is null
    group by c.relowner
  ) o;
$$;

comment on function nightshift.other_owners is
  'The roles below the owner of the functions that own tables which Nightshift therefore leaves alone: [{owner, tables: how many, example, fix}].';
