-- Refresh policies: which materialized views are kept up to date, and how old their data may be.
-- Why: what may be refreshed, and how, is kept and found here, once.
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

revoke all on function
  nightshift.find_view, nightshift.view_of, nightshift.find_refresh_policy, nightshift.follow_renames,
  nightshift.refresh_way, nightshift.refresh_warnings
from public, anon, authenticated;
