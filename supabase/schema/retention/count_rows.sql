create or replace function nightshift.count_rows(sets nightshift.row_set[])
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(cardinality(s.tids)), 0)::bigint from unnest(count_rows.sets) s;
$$;

comment on function nightshift.count_rows is 'How many rows there are in merged sets.';
