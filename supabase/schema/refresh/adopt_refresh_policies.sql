create or replace function nightshift.adopt_refresh_policies(
  schema text,
  max_staleness interval default '26 hours',
  allow_blocking boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
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
