create or replace function nightshift.is_published(relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with tree(relid) as (
    select is_published.relation
    union
    select a.relid from pg_catalog.pg_partition_ancestors(is_published.relation) a(relid)
  )
  select exists (select 1 from pg_catalog.pg_publication p where p.puballtables)
    or exists (select 1 from pg_catalog.pg_publication_rel r where r.prrelid in (select t.relid from tree t))
    or exists (
      select 1 from pg_catalog.pg_publication_namespace n
      join pg_catalog.pg_class c on c.relnamespace = n.pnnspid
      where c.oid in (select t.relid from tree t)
    );
$$;

comment on function nightshift.is_published is 'Whether a publication sends the changes of a table, by itself or through its parents.';
