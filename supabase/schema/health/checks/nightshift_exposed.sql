-- Health check nightshift_exposed: what of Nightshift itself is open to others than it should be.
-- Why: its functions delete rows and drop partitions; the watchman has to be looked at as well.

create or replace function nightshift.health_nightshift_exposed(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with home as materialized (
    select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where n.nspname = 'nightshift'
  ),
  -- What enable_soft_delete gives users, as long as a table is for them.
  user_function(names) as materialized (
    select case when exists (select from nightshift.soft_delete_tables t where t.for_users) then nightshift.user_functions() else '{}' end
  ),
  grantee(oid, name, is_runner, is_user) as materialized (
    select 0::oid, 'public', false, false
    union all
    -- What they have through another role they have.
    select g.oid, format('%I', g.rolname), bool_and(g.rolname = 'nightshift_runner' and a.oid = g.oid),
      bool_and(g.rolname = 'authenticated' and a.oid = g.oid)
    from nightshift.api_roles() a(oid)
    join pg_catalog.pg_roles g on pg_has_role(a.oid, g.oid, 'usage') and not g.rolbypassrls and not g.rolsuper
    group by g.oid, g.rolname
  ),
  thing(kind, name, acl, for_users, fault, fault_fix) as (
    select 'schema', 'nightshift', coalesce(h.nspacl, acldefault('n', h.nspowner)), f.names <> '{}', null, null
    from home h cross join user_function f
    union all
    select 'routine', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)),
      p.proname = any(f.names),
      case when s.mutable then 'it has no search path of its own' end,
      case when s.mutable then format('alter routine %s set search_path = pg_catalog, pg_temp;', p.oid::regprocedure) end
    from home h
    join pg_catalog.pg_proc p on p.pronamespace = h.oid
    cross join user_function f
    cross join lateral (
      select not exists (select 1 from unnest(p.proconfig) o(setting) where starts_with(o.setting, 'search_path='))
    ) s(mutable)
    union all
    select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text,
      coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner)) 
        || array(
          select x.item
          from pg_catalog.pg_attribute t
          cross join lateral unnest(t.attacl) x(item)
          where t.attrelid = c.oid
        ),
      false,
      f.fault,
      case f.fault
        when 'it has no row level security' then format('alter table %s enable row level security;', c.oid::regclass)
        when 'it reads with the rights of its owner' then format('alter view %s set (security_invoker = true);', c.oid::regclass)
      end
    from home h
    join pg_catalog.pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    cross join lateral (
      select case
        when c.relkind in ('r', 'p') and not c.relrowsecurity then 'it has no row level security'
        when c.relkind = 'v' and not exists (
          select 1 from unnest(c.reloptions) o(option) where o.option in (
            'security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'
          )
        )
          then 'it reads with the rights of its owner'
      end
    ) f(fault)
  )
  select
    case t.kind when 'schema' then 'schema nightshift' else t.name end,
    (g.grantees is not null or t.fault is not null)::integer::numeric,
    coalesce(nullif(concat_ws('; ', g.names || ' may ' || g.privileges, t.fault), ''), 'closed'),
    nullif(concat_ws(' ', format('revoke all on %s %s from ', t.kind, t.name) || g.grantees || ';', t.fault_fix), ''),
    null::numeric, null::numeric, null::numeric, null::text
  from thing t
  cross join lateral (
    select string_agg(distinct g.name, ', '), string_agg(distinct g.name, ' and '), string_agg(distinct lower(x.privilege_type), ', ')
    from aclexplode(t.acl) x
    join grantee g on g.oid = x.grantee
    where not ((g.is_runner or g.is_user and t.for_users) and (t.kind, x.privilege_type) in (('schema', 'USAGE'), ('routine', 'EXECUTE')))
  ) g(grantees, names, privileges);
end;
$$;

comment on function nightshift.health_nightshift_exposed is
  'For the schema nightshift and everything in it: 1 where public or a role of the Data API was granted anything on it, but for what nightshift_runner, or a user where a table is enabled for users, may execute, a function has no search path of its own, a table no row level security, or a view the rights of its owner; else 0. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'nightshift_exposed',
  title => 'Nightshift itself',
  healthy => 'Nothing of Nightshift is open to anyone but service_role, nightshift_runner and its owner, nor to users but what enable_soft_delete has given them.',
  why => 'Its functions delete rows and drop partitions; someone who can call them from outside can empty the database.',
  unit => 'count', critical => 1
);
