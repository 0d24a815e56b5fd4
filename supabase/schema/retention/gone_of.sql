create or replace function nightshift.gone_of(policy oid, step jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(step -> 'children', '{}')
    || jsonb_build_object(gone_of.policy::regclass::text, coalesce((step ->> 'rowsPurged')::bigint, 0));
end;
$$;

comment on function nightshift.gone_of is 'How many rows went in a step, by table.';
