create or replace function nightshift.soft_delete_views(relation regclass)
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct v.oid::regclass
  from pg_catalog.pg_depend d
  join pg_catalog.pg_rewrite r on r.oid = d.objid
  join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
  join pg_catalog.pg_class c on c.oid = d.refobjid and c.relowner = v.relowner
  where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjid = soft_delete_views.relation
    and obj_description(v.oid, 'pg_class') ~ '^The (rows that are not deleted|deleted rows) of '
$$;

comment on function nightshift.soft_delete_views is
  'The views of active and of deleted rows that Nightshift has made of a table or taken over, also under a name that the table had before; known by their comments.';
