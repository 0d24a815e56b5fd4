-- The declaration of refresh policies: add, alter, remove, adopt.
-- Why: what may be refreshed is said in SQL, in migrations, and refused with the fix where it does not fit.
-- Locks: none on any existing object.

create function nightshift.check_refresh_policy(policy nightshift.refresh_policies)
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
  if not pg_has_role(caller, owner, 'usage') then
    raise exception using
      errcode = 'NS422',
      message = format('%s belongs to %I, and %I may not refresh it', policy.view, owner::regrole, caller),
      hint = 'Declare the policy as the owner of the view: on Supabase in the SQL editor or in a migration.';
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

create function nightshift.describe_refresh_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select jsonb_build_object(
    'view', coalesce(nightshift.view_of(policy)::text, policy.view_name),
    'maxStaleness', policy.max_staleness::text,
    'allowBlocking', policy.allow_blocking,
    'enabled', policy.enabled,
    'lastRefreshedAt', policy.last_refreshed_at,
    'lastRefreshMs', policy.last_refresh_ms
  );
end;

comment on function nightshift.describe_refresh_policy is 'The JSON document of a policy.';

create function nightshift.describe_declared_policy(policy nightshift.refresh_policies)
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
begin atomic
  select nightshift.describe_refresh_policy(policy) || jsonb_build_object(
    'warnings', nightshift.refresh_warnings(
      policy.view, policy.allow_blocking, nightshift.view_state(policy.view) ->> 'untracked'
    )
  );
end;

comment on function nightshift.describe_declared_policy is
  'The JSON document of a policy with its warnings, as whoever declares it gets it.';

create function nightshift.add_refresh_policy(
  view regclass,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false,
  enabled boolean default true
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.refresh_policies;
begin
  policy.view := add_refresh_policy.view;
  policy.view_name := add_refresh_policy.view::text;
  policy.max_staleness := add_refresh_policy.max_staleness;
  policy.allow_blocking := coalesce(add_refresh_policy.allow_blocking, false);
  policy.enabled := coalesce(add_refresh_policy.enabled, true);
  policy.created_at := now();
  perform nightshift.check_refresh_policy(policy);

  perform nightshift.follow_renames();
  if (nightshift.find_refresh_policy(policy.view_name)).view is not null then
    raise exception using
      errcode = 'NS422',
      message = format('%s has a refresh policy already', policy.view),
      hint = 'Change it with nightshift.alter_refresh_policy, or remove it first with nightshift.remove_refresh_policy.';
  end if;
  insert into nightshift.refresh_policies select policy.*;
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.add_refresh_policy is
  'Declares that Nightshift keeps a materialized view up to date. The caller must be allowed to refresh it. max_staleness: how old its data may become before it counts as stale, default 26 hours (a night and two hours of slack). A schedule leaves a change alone as long as the next one will still be in time; a call by hand does not. allow_blocking: whether it may be refreshed in the way that blocks its readers, where it cannot be refreshed concurrently; default false. Returns the policy and warnings. Errors: NS404, NS422, each with a hint that says the fix.';

create function nightshift.alter_refresh_policy(
  view regclass,
  max_staleness interval default null,
  allow_blocking boolean default null,
  enabled boolean default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(alter_refresh_policy.view::text);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', view),
      hint = 'Declare one with nightshift.add_refresh_policy.';
  end if;
  update nightshift.refresh_policies p
  set
    max_staleness = coalesce(alter_refresh_policy.max_staleness, p.max_staleness),
    allow_blocking = coalesce(alter_refresh_policy.allow_blocking, p.allow_blocking),
    enabled = coalesce(alter_refresh_policy.enabled, p.enabled)
  where p.view = policy.view
  returning p.* into policy;
  policy.view := alter_refresh_policy.view;
  perform nightshift.check_refresh_policy(policy);
  return nightshift.describe_declared_policy(policy);
end;
$$;

comment on function nightshift.alter_refresh_policy is
  'Changes what is given (null leaves a setting as it is), validates as add_refresh_policy does, and returns the policy. Waits while the view is being refreshed. Errors: NS404, NS422.';

create function nightshift.remove_refresh_policy(view text)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  policy nightshift.refresh_policies := nightshift.find_refresh_policy(remove_refresh_policy.view);
begin
  if policy.view is null then
    raise exception using
      errcode = 'NS404',
      message = format('%s has no refresh policy', remove_refresh_policy.view),
      detail = format('Policies exist for: %s', coalesce(
        (select string_agg(nightshift.describe_refresh_policy(p) ->> 'view', ', ' order by p.view_name)
          from nightshift.refresh_policies p), 'no view')),
      hint = 'Name the view with its schema, and with quotes where SQL needs them. A view that is gone goes by its last name.';
  end if;
  delete from nightshift.refresh_policies p where p.view = policy.view;
  return nightshift.describe_refresh_policy(policy);
end;
$$;

comment on function nightshift.remove_refresh_policy is
  'Removes the policy of a view, or of one that is gone by the name it had last; the view stays as it is. Waits while the view is being refreshed. Returns what was removed. Errors: NS404.';

create function nightshift.adopt_refresh_policies(
  schema text,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  adopted regclass[];
begin
  if not exists (select 1 from pg_catalog.pg_namespace n where n.nspname = adopt_refresh_policies.schema) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schema %s', coalesce(quote_ident(adopt_refresh_policies.schema), 'null')),
      hint = 'Name it as it is, without quotes: nightshift.adopt_refresh_policies(''public'').';
  end if;
  select coalesce(array_agg(c.oid::regclass order by c.oid::regclass::text), '{}') into adopted
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = adopt_refresh_policies.schema
    and c.relkind = 'm'
    and (nightshift.find_refresh_policy(c.oid::regclass::text)).view is null;
  perform nightshift.add_refresh_policy(v, adopt_refresh_policies.max_staleness, adopt_refresh_policies.allow_blocking)
  from unnest(adopted) v;
  -- Only now: a view that reads another one of them has nothing to be warned of.
  return (
    select coalesce(jsonb_agg(nightshift.describe_declared_policy(p) order by p.view_name), '[]')
    from nightshift.refresh_policies p
    where p.view = any(adopted)
  );
end;
$$;

comment on function nightshift.adopt_refresh_policies is
  'Declares a policy for every materialized view of a schema that has none; the others keep theirs. Arguments as for add_refresh_policy. Returns the new policies with their warnings, as one JSON array. Errors: NS404, NS422.';

revoke all on function
  nightshift.check_refresh_policy, nightshift.describe_refresh_policy, nightshift.describe_declared_policy,
  nightshift.add_refresh_policy, nightshift.alter_refresh_policy, nightshift.remove_refresh_policy,
  nightshift.adopt_refresh_policies
from public, anon, authenticated;
grant execute on function
  nightshift.add_refresh_policy, nightshift.alter_refresh_policy, nightshift.remove_refresh_policy,
  nightshift.adopt_refresh_policies
to service_role;
