-- Health check partitions_without_rls: partitions that the Data API reaches past the table they belong to.
-- Why: partitions inherit neither row level security nor the lack of a grant, and a partition can be asked for by its name.

create or replace function nightshift.health_partitions_without_rls(as_of timestamptz)
returns setof nightshift.health_measure
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- The planner takes thousands of partitions for a handful.
set enable_hashjoin = on
set enable_nestloop = off
as $$
begin
  return query
  with recursive role as materialized (
    select r.oid, r.rolname from nightshift.api_roles() a(oid) join pg_catalog.pg_roles r on r.oid = a.oid
  ),
  -- Without a grant, on itself or on a column, it is its owner's alone.
  open as materialized (
    select c.oid, c.relkind, r.oid as role, r.rolname
    from pg_catalog.pg_class c
    cross join role r
    where c.relispartition and c.relkind in ('r', 'p', 'f') and not c.relrowsecurity
      and (c.relacl is not null or c.oid in (select a.attrelid from pg_catalog.pg_attribute a where a.attacl is not null))
      and c.relowner in (select o from nightshift.application_owners() o)
      and has_schema_privilege(r.oid, c.relnamespace, 'usage')
      and (
        has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
        or has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
      )
  ),
  above(partition, relation, level) as (
    select i.inhrelid, i.inhparent, 1
    from pg_catalog.pg_inherits i
    where i.inhrelid in (select o.oid from open o)
    union all
    select a.partition, i.inhparent, a.level + 1
    from above a
    join pg_catalog.pg_inherits i on i.inhrelid = a.relation
  ),
  family as materialized (
    select a.partition,
      (array_agg(a.relation order by a.level))[1] as parent,
      (array_agg(c.relrowsecurity order by a.level))[1] as parent_secured,
      (array_agg(a.relation order by a.level) filter (where c.relrowsecurity))[1] as secured
    from above a
    join pg_catalog.pg_class c on c.oid = a.relation
    group by a.partition
  ),
  -- What each role may do with a partition that is not secured any further up, and with all tables above it: a bit for each of
  -- select, insert, update and delete.
  allowed as materialized (
    select n.relation, r.oid as role, case when has_schema_privilege(r.oid, c.relnamespace, 'usage') then
      has_any_column_privilege(r.oid, c.oid, 'select')::integer
      + 2 * has_any_column_privilege(r.oid, c.oid, 'insert')::integer
      + 4 * has_any_column_privilege(r.oid, c.oid, 'update')::integer
      + 8 * has_table_privilege(r.oid, c.oid, 'delete')::integer
    else 0 end as rights
    from (
      select f.partition from family f where f.secured is null
      union
      select a.relation from family f join above a on a.partition = f.partition where f.secured is null
    ) n(relation)
    join pg_catalog.pg_class c on c.oid = n.relation
    cross join role r
  ),
  allowed_above as (
    select a.partition, l.role, bit_or(l.rights) as rights
    from above a
    join allowed l on l.relation = a.relation
    group by a.partition, l.role
  ),
  judged as (
    select o.oid, o.relkind, f.parent, f.parent_secured, f.secured, o.rolname,
      f.secured is not null or h.rights & ~u.rights <> 0 as exposed
    from open o
    join family f on f.partition = o.oid
    left join allowed h on h.relation = o.oid and h.role = o.role
    left join allowed_above u on u.partition = o.oid and u.role = o.role
  )
  select
    j.oid::regclass::text,
    bool_or(j.exposed)::integer::numeric,
    case
      when not bool_or(j.exposed) then format('as open as %s', j.parent::regclass)
      when j.secured is not null then format('%s can reach it past the row level security of %s',
        string_agg(j.rolname, ' and ' order by j.rolname), j.secured::regclass)
      else format('%s can do here what %s does not allow',
        string_agg(j.rolname, ' and ' order by j.rolname) filter (where j.exposed), j.parent::regclass)
    end,
    case
      when not bool_or(j.exposed) then null
      when j.parent_secured and j.parent in (select p.parent from nightshift.partition_policies p)
        then format('select nightshift.secure_partitions(%L);', j.parent::regclass)
      else concat(
        case when j.relkind <> 'f' then format('alter table %s enable row level security; ', j.oid::regclass) end,
        format('revoke all on %s from public, %s;', j.oid::regclass,
          (select string_agg(format('%I', r.rolname), ', ' order by r.rolname) from role r))
      )
    end,
    null::numeric, null::numeric, null::numeric, null::text
  from judged j
  group by j.oid, j.relkind, j.parent, j.parent_secured, j.secured;
end;
$$;

comment on function nightshift.health_partitions_without_rls is
  'For each partition without row level security that a role of the Data API may read or write: 1 where a table above it has row level security, or allows less; 0 where it is no more open than its table. See nightshift.health_checks.';

select nightshift.declare_health_check(
  'partitions_without_rls',
  title => 'Partitions open to the API',
  healthy => 'No partition is more open than its table.',
  why => 'Whoever knows the name of a partition can ask the Data API for it, and sees rows that the policies of the table withhold.',
  unit => 'count', critical => 1
);
