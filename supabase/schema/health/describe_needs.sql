create or replace function nightshift.describe_needs(step jsonb)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('%s (%s)', k.key, k.value), ', ' order by k.value::bigint desc, k.key)
    from jsonb_each_text(describe_needs.step -> 'blockedBy') k
  );
end;
$$;

comment on function nightshift.describe_needs is 'The foreign keys that kept rows from a purge, and how many each.';
