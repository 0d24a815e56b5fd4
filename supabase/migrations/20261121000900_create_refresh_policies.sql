-- Refresh policies: which materialized views are kept up to date, and how old their data may be.
-- Why: what may be refreshed, and how, is declared, validated and described here, once.
-- Locks: none on any existing object.

create table nightshift.refresh_policies (
  view regclass primary key,
  view_name text not null,
  max_staleness interval not null,
  allow_blocking boolean not null default false,
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  data_as_of timestamptz,
  state jsonb,
  last_refreshed_at timestamptz,
  last_refresh_ms integer
);

comment on table nightshift.refresh_policies is 'One row for each materialized view that Nightshift keeps up to date.';
comment on column nightshift.refresh_policies.view_name is
  'The name it had when Nightshift last looked: a view that was dropped and created anew under this name has the policy again.';
comment on column nightshift.refresh_policies.data_as_of is
  'The view is known to hold what its query would have returned at this moment, were all that it reads up to date; null before the first refresh.';
comment on column nightshift.refresh_policies.state is
  'What nightshift.view_state returned before the last refresh; null when that refresh was of another view.';

create table nightshift.view_refreshes (
  id bigint generated always as identity primary key,
  view regclass not null,
  view_name text not null,
  run_id uuid,
  status text not null check (status in ('refreshed', 'failed')),
  mode text check (mode in ('concurrently', 'plain')),
  reason text not null,
  detail text not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  row_count bigint,
  size_bytes bigint,
  dead_rows bigint,
  error jsonb
);

comment on table nightshift.view_refreshes is
  'Every refresh that Nightshift made or tried, kept for settings.ledger_retention. A refresh is written in its own transaction, so it is here if and only if it happened.';
comment on column nightshift.view_refreshes.reason is
  'One word, as nightshift.assess_view has it; detail is the sentence.';
comment on column nightshift.view_refreshes.dead_rows is
  'Dead rows in the view afterwards: a refresh concurrently leaves them to autovacuum.';

create index view_refreshes_view on nightshift.view_refreshes (view, id);
create index view_refreshes_run on nightshift.view_refreshes (run_id);
create index view_refreshes_started_at on nightshift.view_refreshes (started_at);

alter table nightshift.refresh_policies enable row level security;
alter table nightshift.view_refreshes enable row level security;
revoke all on nightshift.refresh_policies, nightshift.view_refreshes from public, anon, authenticated, service_role;
revoke all on sequence nightshift.view_refreshes_id_seq from public, anon, authenticated, service_role;

create function nightshift.find_view(name text)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select c.oid::regclass
  from pg_catalog.pg_class c
  where c.oid = nightshift.find_relation(find_view.name) and c.relkind = 'm';
end;

comment on function nightshift.find_view is
  'The materialized view of a name as SQL writes it, schema included, or null.';

create function nightshift.view_of(policy nightshift.refresh_policies)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(
    (select c.oid::regclass from pg_catalog.pg_class c where c.oid = policy.view and c.relkind = 'm'),
    (
      select v
      from nightshift.find_view(policy.view_name) v
      where not exists (
        select 1 from nightshift.refresh_policies o
        where o.view = v or o.view_name = policy.view_name and o.created_at > policy.created_at
      )
    )
  );
end;

comment on function nightshift.view_of is
  'The view of a policy: the one it was declared for, whatever its name is now, or, when that is gone, the one that has taken its name. Null when there is neither.';

create function nightshift.find_refresh_policy(name text)
returns nightshift.refresh_policies
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  select p.*
  from nightshift.refresh_policies p
  where nightshift.view_of(p) = nightshift.find_view(find_refresh_policy.name)
    or nightshift.view_of(p) is null and p.view_name = find_refresh_policy.name
  limit 1;
end;

comment on function nightshift.find_refresh_policy is
  'The policy of a view named as SQL writes it or, for a view that is gone, by the name it had last; null without one.';

create function nightshift.follow_renames()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  update nightshift.refresh_policies p
  set view_name = c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.oid = p.view and c.relkind = 'm' and p.view_name <> c.oid::regclass::text;
end;

comment on function nightshift.follow_renames is 'Notes the present name of every view that has a policy.';

create function nightshift.refresh_way(view regclass, allow_blocking boolean)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  owner oid;
  populated boolean;
  keyed boolean;
  needs text;
begin
  select c.relowner, c.relispopulated into owner, populated
  from pg_catalog.pg_class c where c.oid = view;
  keyed := exists (
    select 1
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam
    where i.indrelid = view
      and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and m.amname = 'btree'
  );
  if not pg_has_role(owner, 'usage') then
    return jsonb_build_object(
      'problem', format('It belongs to %I, and only its owner may refresh it', owner::regrole),
      'fix', format('alter materialized view %s owner to %I;', view, current_user)
    );
  end if;
  if populated and keyed then
    return jsonb_build_object('mode', 'concurrently', 'modeReason', 'readers go on reading');
  end if;
  needs := concat_ws(' and ',
    case when not populated then 'it holds no data yet' end, case when not keyed then 'it has no unique index on plain columns' end);
  if allow_blocking then
    return jsonb_build_object('mode', 'plain', 'modeReason', needs || ', and its policy allows blocking readers');
  end if;
  return jsonb_build_object(
    'problem', format('It can only be refreshed in a way that blocks its readers: %s', needs),
    'fix', case when not populated then format('refresh materialized view %s; once by hand, ', view) else '' end
      || case when not keyed then format('create unique index on %s (<the columns that tell its rows apart>); ', view) else '' end
      || format('or select nightshift.alter_refresh_policy(%L, allow_blocking => true);', view)
  );
end;
$$;

comment on function nightshift.refresh_way is
  'How a view can be refreshed: {mode: concurrently | plain, modeReason}, or {problem, fix} when it cannot. Concurrently when it is populated and has a valid unique index on plain columns; plain, which blocks readers, only when allow_blocking says so.';

create function nightshift.refresh_warnings(view regclass, allow_blocking boolean, untracked text)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
begin atomic
  with way(document) as (select nightshift.refresh_way(refresh_warnings.view, refresh_warnings.allow_blocking))
  select coalesce(jsonb_agg(w.warning order by w.warning), '[]')
  from (
    select format('%s. Fix: %s', way.document ->> 'problem', way.document ->> 'fix')
    from way
    where way.document ? 'problem'
    union all
    select format('It reads %s, which has no refresh policy, so nobody knows how old its data is. Fix: select nightshift.add_refresh_policy(%L);',
      r.relation, r.relation)
    from nightshift.view_reads(refresh_warnings.view) r
    where r.kind = 'm'
      and not exists (
        select 1 from nightshift.refresh_policies p where p.enabled and nightshift.view_of(p) = r.relation
      )
    union all
    select format('It is refreshed every time, changed or not, because %s.', refresh_warnings.untracked)
    where refresh_warnings.untracked is not null
    union all
    select format('The API exposes it to %s, and row level security cannot apply to it. Fix: revoke all on %s from anon, authenticated;',
      string_agg(r.rolname, ' and ' order by r.rolname), refresh_warnings.view)
    from pg_catalog.pg_roles r
    where r.rolname in ('anon', 'authenticated')
      and has_table_privilege(r.oid, refresh_warnings.view, 'select')
    having count(*) > 0
  ) w(warning);
end;

comment on function nightshift.refresh_warnings is
  'What will keep a view from being refreshed, keep its data older than it need be, or expose it, with the fix, as a JSON array of sentences.';

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
  return nightshift.describe_refresh_policy(policy)
    || jsonb_build_object('warnings', nightshift.refresh_warnings(
      policy.view, policy.allow_blocking, nightshift.view_state(policy.view) ->> 'untracked'
    ));
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
  policy.max_staleness := coalesce(alter_refresh_policy.max_staleness, policy.max_staleness);
  policy.allow_blocking := coalesce(alter_refresh_policy.allow_blocking, policy.allow_blocking);
  policy.enabled := coalesce(alter_refresh_policy.enabled, policy.enabled);
  update nightshift.refresh_policies p
  set
    max_staleness = coalesce(alter_refresh_policy.max_staleness, p.max_staleness),
    allow_blocking = coalesce(alter_refresh_policy.allow_blocking, p.allow_blocking),
    enabled = coalesce(alter_refresh_policy.enabled, p.enabled)
  where p.view = policy.view;
  policy.view := alter_refresh_policy.view;
  perform nightshift.check_refresh_policy(policy);
  return nightshift.describe_refresh_policy(policy)
    || jsonb_build_object('warnings', nightshift.refresh_warnings(
      policy.view, policy.allow_blocking, nightshift.view_state(policy.view) ->> 'untracked'
    ));
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
    select coalesce(jsonb_agg(
      nightshift.describe_refresh_policy(p) || jsonb_build_object('warnings', nightshift.refresh_warnings(
        p.view, p.allow_blocking, nightshift.view_state(p.view) ->> 'untracked'
      ))
      order by p.view_name
    ), '[]')
    from nightshift.refresh_policies p
    where p.view = any(adopted)
  );
end;
$$;

comment on function nightshift.adopt_refresh_policies is
  'Declares a policy for every materialized view of a schema that has none; the others keep theirs. Arguments as for add_refresh_policy. Returns the new policies with their warnings, as one JSON array. Errors: NS404, NS422.';

revoke all on function
  nightshift.find_view, nightshift.view_of, nightshift.find_refresh_policy, nightshift.follow_renames, nightshift.refresh_way,
  nightshift.refresh_warnings, nightshift.check_refresh_policy, nightshift.describe_refresh_policy,
  nightshift.add_refresh_policy, nightshift.alter_refresh_policy, nightshift.remove_refresh_policy,
  nightshift.adopt_refresh_policies
from public, anon, authenticated;
grant execute on function
  nightshift.add_refresh_policy, nightshift.alter_refresh_policy, nightshift.remove_refresh_policy,
  nightshift.adopt_refresh_policies
to service_role;
