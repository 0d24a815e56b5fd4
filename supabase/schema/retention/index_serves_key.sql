create or replace function nightshift.index_serves_key(index oid, key oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select exists (
        select from pg_catalog.pg_class c join pg_catalog.pg_am m on m.oid = c.relam
        where c.oid = i.indexrelid and m.amname in ('btree', 'hash')
      )
      and (
        i.indpred is null
        or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
          select a.attname from pg_catalog.pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        ))
      )
      -- In an index of another collation Postgres cannot look up a text.
      and (0 = all(i.indcollation::oid[]) or not exists (
        select
        from unnest(k.conkey, k.confkey) u(conkey, confkey)
        join pg_catalog.pg_attribute x on x.attrelid = k.conrelid and x.attnum = u.conkey
        join pg_catalog.pg_attribute t on t.attrelid = k.confrelid and t.attnum = u.confkey
        join generate_series(0, cardinality(k.conkey) - 1) n on i.indkey[n] = u.conkey
        where x.attcollation <> 0 and i.indcollation[n] <> nightshift.key_collation(t.attcollation, x.attcollation)
      ))
      -- The leading columns of the index, in any order, are the columns of the key.
      and (cardinality(k.conkey) = 1 or (
        select array_agg(i.indkey[n] order by i.indkey[n])
        from generate_series(0, cardinality(k.conkey) - 1) n
      ) = (select array_agg(a order by a) from unnest(k.conkey) a))
    from pg_catalog.pg_index i, pg_catalog.pg_constraint k
    where i.indexrelid = index_serves_key.index and k.oid = index_serves_key.key
  );
end;
$$;

comment on function nightshift.index_serves_key is
  'Whether an index of the referencing table, which begins with a column of a foreign key, serves that key.';
