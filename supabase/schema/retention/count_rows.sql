create or replace function nightshift.count_rows(sets nightshift.row_set[])
returns bigint
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select coalesce(sum(cardinality(s.tids)), 0) from unnest(count_rows.sets) s);
end;
$$;

comment on function nightshift.count_rows is 'How many rows there are in merged sets.';
