create or replace function nightshift.wal_bytes()
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select sum(w.size) from pg_ls_waldir() w);
exception
  when insufficient_privilege then
    return null;
end;
$$;

comment on function nightshift.wal_bytes is
  'Bytes of the write-ahead log on disk; null when the owner of this function may not list it (pg_monitor).';
