create or replace function nightshift.views_below(view regclass)
returns regclass[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive below(view, depth) as (
    select views_below.view::oid, 0
    union
    select r.relation::oid, b.depth + 1
    from below b
    cross join lateral nightshift.view_reads(b.view::regclass) r
    where r.kind = 'm' and b.depth < 20
  )
  select coalesce(array_agg(o.view::regclass order by o.depth desc, o.view), '{}')
  from (select b.view, max(b.depth) as depth from below b where b.depth > 0 group by b.view) o;
$$;

comment on function nightshift.views_below is
  'The materialized views that a materialized view is made from, directly or not, each after those that it reads itself.';
