create or replace function nightshift.index_for_key(key oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- Postgres cannot build an index concurrently on a partitioned table.
    select format('create index %son %s (%s);', case when r.relkind = 'p' then '' else 'concurrently ' end,
      c.conrelid::regclass, (
        select string_agg(concat_ws(' ', quote_ident(x.attname), (
          select format('collate %I.%I', n.nspname, l.collname)
          from pg_catalog.pg_collation l join pg_catalog.pg_namespace n on n.oid = l.collnamespace
          where l.oid = nightshift.key_collation(t.attcollation, x.attcollation) and l.oid <> x.attcollation
        )), ', ' order by u.position)
        from unnest(c.conkey, c.confkey) with ordinality u(conkey, confkey, position)
        join pg_catalog.pg_attribute x on x.attrelid = c.conrelid and x.attnum = u.conkey
        join pg_catalog.pg_attribute t on t.attrelid = c.confrelid and t.attnum = u.confkey
      ))
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_class r on r.oid = c.conrelid
    where c.oid = index_for_key.key
  );
end;
$$;

comment on function nightshift.index_for_key is 'The statement that makes the index which serves a foreign key from the referencing side.';
