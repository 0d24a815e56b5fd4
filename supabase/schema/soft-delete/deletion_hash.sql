create or replace function nightshift.deletion_hash(keys jsonb, tables jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(jsonb_build_array(
    (select jsonb_agg(distinct k) from jsonb_array_elements(deletion_hash.keys) k),
    (
      select jsonb_agg(jsonb_build_array(e.relation, e.via, e.rows) order by e.relation, e.via nulls first)
      from (
        select t ->> 'relation', t ->> 'via', sum((t ->> 'rows')::bigint)
        from jsonb_array_elements(deletion_hash.tables) t
        group by 1, 2
      ) e(relation, via, rows)
      where e.rows > 0
    )
  )::text);
$$;

comment on function nightshift.deletion_hash is
  'What a deletion is confirmed by: a hash of the keys that were asked for, and of how many rows go in each table by each foreign key, [{relation, via, rows}].';
