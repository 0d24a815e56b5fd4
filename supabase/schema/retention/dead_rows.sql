create or replace function nightshift.dead_rows(relations oid[])
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select coalesce(sum(pg_stat_get_dead_tuples(r.oid)), 0)::bigint from unnest(relations) r(oid));
end;
$$;

comment on function nightshift.dead_rows is
  'About how many rows of these tables are deleted and not vacuumed yet. While an old snapshot needs them, a walk through an index steps over each of them, some million a second.';
