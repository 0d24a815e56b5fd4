create or replace function nightshift.level_rank(level text)
returns integer
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array_position(array['ok', 'info', 'unknown', 'warning', 'critical'], level);
end;
$$;

comment on function nightshift.level_rank is 'The order of levels: ok, info, unknown, warning, critical; higher is worse.';
