create or replace function nightshift.describe_busy(detail text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('outcome', 'busy') || case
    -- Of a deadlock or a lock timeout Postgres says something else, or nothing.
    when describe_busy.detail like '{"%' then jsonb_build_object('holder', describe_busy.detail::jsonb) else '{}' end;
$$;

comment on function nightshift.describe_busy is
  'The answer of a call that did not get its locks: {outcome: busy, holder}; holder is what lock_holder says, where it was found before waiting. detail: of the error.';
