create or replace function nightshift.referred_tables(parents oid[])
returns table (parent oid, referred integer)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  with recursive refers as materialized (
    select distinct k.conrelid as parent, k.confrelid as referred
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conrelid = any(parents) and k.confrelid = any(parents) and k.conrelid <> k.confrelid
  ),
  reached(parent, referred) as (
    select r.parent, r.referred from refers r
    union
    select a.parent, r.referred from reached a join refers r on r.parent = a.referred
  )
  select p.parent, count(a.referred)::integer
  from unnest(parents) p(parent)
  left join reached a on a.parent = p.parent
  group by p.parent;
end;
$$;

comment on function nightshift.referred_tables is
  'To how many of the others each of these tables refers by foreign keys, directly or through others. In descending order each comes before those that it refers to, unless they refer to each other in a circle.';
