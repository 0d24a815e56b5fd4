create or replace function nightshift.deleted_so_far(relations oid[])
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select sum(pg_stat_get_xact_tuples_deleted(r.oid)) from unnest(relations) r(oid));
end;
$$;

comment on function nightshift.deleted_so_far is
  'How many rows of these tables the transaction has deleted, by whatever way; null when there are none, and 0 while the server does not count (track_counts).';
