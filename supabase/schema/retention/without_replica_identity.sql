create or replace function nightshift.without_replica_identity(relation regclass)
returns oid[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(c.oid order by c.oid), '{}')
  from nightshift.all_leaf_relations(without_replica_identity.relation) l(leaf)
  join pg_catalog.pg_class c on c.oid = l.leaf and c.relpersistence = 'p'
  where not (
      c.relreplident = 'f'
      or exists (
        select 1 from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indimmediate and i.indisvalid
          and case c.relreplident when 'i' then i.indisreplident when 'd' then i.indisprimary else false end
      )
    )
    and exists (
      select 1
      from (
        select c.oid::regclass
        union all
        select a.relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid)
      ) p(relation)
      join pg_catalog.pg_class r on r.oid = p.relation
      join pg_catalog.pg_publication b on b.pubdelete
      where b.puballtables
        or exists (select 1 from pg_catalog.pg_publication_rel t where t.prpubid = b.oid and t.prrelid = p.relation)
        or exists (select 1 from pg_catalog.pg_publication_namespace n where n.pnpubid = b.oid and n.pnnspid = r.relnamespace)
    );
$$;

comment on function nightshift.without_replica_identity is
  'The tables that hold the rows of a table and from which Postgres refuses to delete: a publication has their deletions, and nothing identifies a row to its subscribers.';
