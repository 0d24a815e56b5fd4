create or replace function nightshift.view_reads(view regclass, partitions boolean default true)
returns table (relation regclass, kind "char")
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with recursive reads(relation, kind, inherited) as (
    select c.oid, c.relkind, false from pg_catalog.pg_class c where c.oid = view_reads.view
    union
    select c.oid, c.relkind, c.relhassubclass
    from reads r
    cross join lateral (
      select d.refobjid
      from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
      where w.ev_class = r.relation
        and d.refclassid = 'pg_catalog.pg_class'::regclass
        -- A materialized view below is read as it is; what it was made from is its own affair.
        and (r.kind = 'v' or r.relation = view_reads.view)
      union all
      select i.inhrelid
      from pg_catalog.pg_inherits i
      -- A partition whose detachment was interrupted is read no more.
      where view_reads.partitions and r.inherited and i.inhparent = r.relation and not i.inhdetachpending
    ) below(oid)
    join pg_catalog.pg_class c on c.oid = below.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.oid <> view_reads.view
  )
  select r.relation::regclass, r.kind from reads r where r.relation <> view_reads.view;
end;
$$;

comment on function nightshift.view_reads is
  'All that the query of a view reads, with its pg_class.relkind: through ordinary views, partitions and inheriting tables, down to tables and to other materialized views. partitions: whether with what inherits from tables, which may be a thousand for each.';
