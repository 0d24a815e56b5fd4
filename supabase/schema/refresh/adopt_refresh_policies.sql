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
  adopted oid[] := '{}';
  view regclass;
  left_out jsonb := '[]';
  problem text;
  fix text;
begin
  if not exists (select 1 from pg_catalog.pg_namespace n where n.nspname = adopt_refresh_policies.schema) then
    raise exception using
      errcode = 'NS404',
      message = format('There is no schema %s', coalesce(quote_ident(adopt_refresh_policies.schema), 'null')),
      hint = 'Name it as it is, without quotes: nightshift.adopt_refresh_policies(''public'').';
  end if;
  for view in
    select c.oid::regclass
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = adopt_refresh_policies.schema
      and c.relkind = 'm'
      and (nightshift.find_refresh_policy(c.oid::regclass::text)).view is null
    order by c.oid::regclass::text
  loop
    begin
      perform nightshift.add_refresh_policy(view, adopt_refresh_policies.max_staleness, adopt_refresh_policies.allow_blocking);
      adopted := adopted || view::oid;
    exception
      when sqlstate 'NS422' then
        get stacked diagnostics problem = message_text, fix = pg_exception_hint;
        left_out := left_out || jsonb_build_object('view', view::text, 'problem', problem, 'fix', fix);
    end;
  end loop;
  if adopted = '{}' and left_out <> '[]' then
    raise exception using
      errcode = 'NS422',
      message = 'No view could be adopted: ' || problem,
      detail = format('It is the same, or the like, for %s.',
        (select string_agg(l ->> 'view', ', ') from jsonb_array_elements(left_out) l)),
      hint = fix;
  end if;
  -- Only now: a view that reads another one of them has nothing to be warned of.
  return (
    select coalesce(jsonb_agg(nightshift.describe_declared_policy(p) order by p.view_name), '[]')
    from nightshift.refresh_policies p
    where p.view::oid = any(adopted)
  ) || left_out;
end;
$$;

comment on function nightshift.adopt_refresh_policies is
  'Declares a policy for every materialized view of a schema that has none; the others keep theirs. Arguments as for add_refresh_policy. Returns the new policies with their warnings, as one JSON array, and after them the views that could not be adopted: {view, problem, fix}. Errors: NS404; NS422 when none could be.';
