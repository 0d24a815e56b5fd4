create or replace function nightshift.check_refresh_policy(policy nightshift.refresh_policies)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever calls, not the owner of this function: a policy gives nobody a right to refresh that they lack.
  caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  owner oid;
begin
  if not exists (select 1 from pg_catalog.pg_class c where c.oid = policy.view and c.relkind = 'm') then
    raise exception using
      errcode = case when exists (select 1 from pg_catalog.pg_class c where c.oid = policy.view) then 'NS422' else 'NS404' end,
      message = format('%s is not a materialized view', coalesce(policy.view::text, 'null')),
      hint = 'Name one, with its schema: nightshift.add_refresh_policy(''public.sales_by_day'', ''26 hours'').';
  end if;
  select c.relowner into owner from pg_catalog.pg_class c where c.oid = policy.view;
  if not nightshift.may_refresh(caller, policy.view) then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not refresh it', policy.view, owner::regrole, caller),
      hint = 'Declare the policy as the owner of the view, or: ' || nightshift.grant_of_refresh(caller, policy.view);
  end if;
  -- Each field by itself: '1 month -30 days' is positive on paper and negative in February.
  if policy.max_staleness is null
    or not isfinite(policy.max_staleness)
    or least(
      extract(year from policy.max_staleness), extract(month from policy.max_staleness),
      extract(day from policy.max_staleness), extract(hour from policy.max_staleness),
      extract(minute from policy.max_staleness), extract(second from policy.max_staleness)
    ) < 0
    or policy.max_staleness <= '0'
  then
    raise exception using
      errcode = 'NS422',
      message = format('max_staleness must be a positive interval, not %s', coalesce(policy.max_staleness::text, 'null')),
      hint = 'Say how old the data of the view may become, for example ''26 hours'' for a view refreshed every night.';
  end if;
end;
$$;

comment on function nightshift.check_refresh_policy is
  'Raises NS404 or NS422, with the fix in the hint, unless the policy names a materialized view and a positive interval.';
