create or replace function nightshift.check_vacuum_policy(policy nightshift.vacuum_policies)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from pg_catalog.pg_class c where c.oid = policy.relation and c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't'
  ) then
    raise exception using
      errcode = case when exists (select from pg_catalog.pg_class c where c.oid = policy.relation) then 'NS422' else 'NS404' end,
      message = format('%s is no table', coalesce(policy.relation::text, 'null')),
      hint = 'Name a table or a materialized view, with its schema: nightshift.add_vacuum_policy(''public.orders'', 0.01).';
  end if;
  if policy.max_dead_fraction <= 0 or policy.max_dead_fraction > 1 or policy.max_dead_fraction = 'NaN' then
    raise exception using
      errcode = 'NS422',
      message = format('max_dead_fraction must be more than 0 and at most 1, not %s', policy.max_dead_fraction),
      hint = 'Say from which share of dead rows on the table is due, for example 0.01 for one percent.';
  end if;
end;
$$;

comment on function nightshift.check_vacuum_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy names a table and a share of its rows.';
