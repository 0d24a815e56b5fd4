create or replace function nightshift.rest_of_patience(lock_timeout text, since timestamptz)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    -- Without an end.
    when lock_timeout::interval = '0' then lock_timeout
    else greatest(1, ceil(1000 * extract(epoch from lock_timeout::interval - (clock_timestamp() - since))))::integer::text
  end;
end;
$$;

comment on function nightshift.rest_of_patience is
  'What a lock_timeout leaves for the next lock, in milliseconds, where it is to be for all of those since then; 1 at least.';
