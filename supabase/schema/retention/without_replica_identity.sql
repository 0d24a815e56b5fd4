create or replace function nightshift.without_replica_identity(relation regclass)
returns oid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most databases publish no deletions, and that is soon seen.
  if not exists (
    select from pg_catalog.pg_publication b
    where b.pubdelete and (
      b.puballtables
      or exists (select from pg_catalog.pg_publication_rel t where t.prpubid = b.oid)
      or exists (select from pg_catalog.pg_publication_namespace n where n.pnpubid = b.oid)
    )
  ) then
    return '{}';
  end if;
  return (
    select coalesce(array_agg(c.oid order by c.oid), '{}')
    from nightshift.all_leaf_relations(without_replica_identity.relation) l(leaf)
    -- One by one: who joins here would ask of every table of the database what it is published by.
    cross join lateral (
      select c.oid, c.relreplident from pg_catalog.pg_class c where c.oid = l.leaf and c.relpersistence = 'p' offset 0
    ) c
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
        select c.oid
        union all
        select a.relid::oid from pg_catalog.pg_partition_ancestors(c.oid) a(relid)
      ) p(relation)
      cross join pg_catalog.pg_publication b
      where b.pubdelete
        and (
          b.puballtables
          or exists (select 1 from pg_catalog.pg_publication_rel t where t.prpubid = b.oid and t.prrelid = p.relation)
          or exists (
            select 1 from pg_catalog.pg_publication_namespace n
            where n.pnpubid = b.oid
              and n.pnnspid = (select r.relnamespace from pg_catalog.pg_class r where r.oid = p.relation)
          )
        )
    )
  );
end;
$$;

comment on function nightshift.without_replica_identity is
  'The tables that hold the rows of a table and from which Postgres refuses to delete: a publication has their deletions, and nothing identifies a row to its subscribers.';
