-- Example application: a coaching platform, with soft delete as a nullable time, partitioned tables
-- of metrics and audits, an append-only activity log and five materialized views.
-- Apply to a database that has the Supabase roles and auth.uid(). A user's id is their auth.uid().

create table public.users (
  id uuid primary key default gen_random_uuid(),
  email text not null unique,
  display_name text not null,
  role text not null default 'member' check (role in ('member', 'coach')),
  created_at timestamptz not null default now()
);

create table public.professional_packages (
  id uuid primary key default gen_random_uuid(),
  coach_id uuid not null references public.users (id),
  name text not null,
  description text not null default '',
  price numeric(10, 2) not null default 0 check (price >= 0),
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

create table public.coach_clients (
  id uuid primary key default gen_random_uuid(),
  coach_id uuid not null references public.users (id) on delete cascade,
  client_id uuid not null references public.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  check (coach_id <> client_id)
);

-- Billing history: neither a package nor a user takes its subscriptions along.
create table public.professional_package_subscriptions (
  id uuid primary key default gen_random_uuid(),
  package_id uuid not null references public.professional_packages (id) on delete no action,
  user_id uuid not null references public.users (id) on delete no action,
  status text not null default 'active' check (status in ('active', 'cancelled', 'expired')),
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

create table public.payments (
  id uuid primary key default gen_random_uuid(),
  subscription_id uuid not null references public.professional_package_subscriptions (id) on delete restrict,
  amount numeric(10, 2) not null check (amount >= 0),
  status text not null default 'pending' check (status in ('pending', 'completed', 'failed', 'refunded')),
  created_at timestamptz not null default now()
);

create table public.package_likes (
  package_id uuid not null references public.professional_packages (id) on delete cascade,
  user_id uuid not null references public.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (package_id, user_id)
);

create table public.user_targets (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  metric_type text not null check (metric_type in ('calories_burned', 'workout_minutes', 'sleep_hours')),
  target_value numeric(10, 2) not null check (target_value > 0),
  start_date date not null default (now() at time zone 'utc')::date,
  end_date date check (end_date >= start_date),
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

create table public.coach_plans (
  id uuid primary key default gen_random_uuid(),
  coach_id uuid not null references public.users (id) on delete cascade,
  name text not null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

create table public.user_workouts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  plan_id uuid references public.coach_plans (id) on delete set null,
  title text not null,
  duration_minutes integer not null check (duration_minutes >= 0),
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

-- Who did what outlives the user who did it.
create table public.activity_logs (
  id bigint generated always as identity primary key,
  user_id uuid references public.users (id) on delete set null,
  action text not null,
  entity_type text,
  entity_id text,
  details jsonb,
  ip_address inet,
  user_agent text,
  status text not null default 'success' check (status in ('success', 'failed', 'error')),
  created_at timestamptz not null default now()
);

create table public.daily_metrics (
  user_id uuid not null references public.users (id) on delete cascade,
  recorded_date date not null,
  calories_burned integer,
  workout_minutes integer,
  sleep_hours numeric(3, 1),
  primary key (user_id, recorded_date)
) partition by range (recorded_date);

-- Partitions inherit neither row level security nor the lack of a grant.
do $$
declare
  month date;
  partition text;
begin
  for month in
    select date_trunc('month', now() at time zone 'utc') + make_interval(months => k)
    from generate_series(-12, 3) as k
  loop
    partition := 'daily_metrics_' || to_char(month, 'YYYY_MM');
    execute format(
      'create table public.%I partition of public.daily_metrics for values from (%L) to (%L)',
      partition, month, (month + interval '1 month')::date);
    execute format('alter table public.%I enable row level security', partition);
    execute format('revoke all on public.%I from public, anon, authenticated', partition);
  end loop;
end
$$;

-- Nobody made partitions after the first months; what came since is in the default one.
create table public.audit_logs (
  id bigint generated always as identity,
  actor_id uuid,
  action text not null,
  entity text not null,
  occurred_at timestamptz not null default now(),
  primary key (id, occurred_at)
) partition by range (occurred_at);
create table public.audit_logs_default partition of public.audit_logs default;

do $$
declare
  month timestamp;
  partition text;
begin
  for month in
    select date_trunc('month', now() at time zone 'utc') + make_interval(months => k)
    from generate_series(-11, -6) as k
  loop
    partition := 'audit_logs_' || to_char(month, 'YYYY_MM');
    execute format(
      'create table public.%I partition of public.audit_logs for values from (%L) to (%L)',
      partition, month at time zone 'utc', (month + interval '1 month') at time zone 'utc');
    execute format('alter table public.%I enable row level security', partition);
    execute format('revoke all on public.%I from public, anon, authenticated', partition);
  end loop;
end
$$;
alter table public.audit_logs_default enable row level security;
revoke all on public.audit_logs_default from public, anon, authenticated;

create unique index coach_clients_live_key on public.coach_clients (coach_id, client_id) where deleted_at is null;

create index professional_packages_coach_id_idx on public.professional_packages (coach_id);
create index coach_clients_coach_id_idx on public.coach_clients (coach_id);
create index coach_clients_client_id_idx on public.coach_clients (client_id);
create index professional_package_subscriptions_package_id_idx on public.professional_package_subscriptions (package_id);
create index professional_package_subscriptions_user_id_idx on public.professional_package_subscriptions (user_id);
create index payments_subscription_id_idx on public.payments (subscription_id);
create index package_likes_user_id_idx on public.package_likes (user_id);
create index user_targets_user_id_idx on public.user_targets (user_id);
create index coach_plans_coach_id_idx on public.coach_plans (coach_id);
create index user_workouts_user_id_idx on public.user_workouts (user_id);
create index user_workouts_plan_id_idx on public.user_workouts (plan_id);

create index activity_logs_user_id_action_created_at_idx on public.activity_logs (user_id, action, created_at);
create index activity_logs_entity_idx on public.activity_logs (entity_type, entity_id);
create index activity_logs_created_at_idx on public.activity_logs (created_at);
create index activity_logs_trouble_idx on public.activity_logs (status, action) where status <> 'success';

create index professional_packages_deleted_at_idx on public.professional_packages (deleted_at)
  where deleted_at is not null;
create index coach_clients_deleted_at_idx on public.coach_clients (deleted_at) where deleted_at is not null;
create index professional_package_subscriptions_deleted_at_idx on public.professional_package_subscriptions (deleted_at)
  where deleted_at is not null;
create index user_targets_deleted_at_idx on public.user_targets (deleted_at) where deleted_at is not null;
create index coach_plans_deleted_at_idx on public.coach_plans (deleted_at) where deleted_at is not null;
create index user_workouts_deleted_at_idx on public.user_workouts (deleted_at) where deleted_at is not null;

-- Rows are deleted and restored by nightshift.soft_delete and nightshift.restore, which the application calls by names of its
-- own. Row level security says whose packages they are: of one that is seen and is not the caller's, no more is told.
create function public.soft_delete_professional_package(package_id uuid) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  status text := 'deleted';
begin
  begin
    perform nightshift.soft_delete('public.professional_packages', jsonb_build_array(package_id));
  exception
    when sqlstate 'NS409' then
      status := 'already_deleted';
    when sqlstate 'NS404' then
      status := case when exists (select from public.professional_packages p where p.id = package_id) then 'not_allowed' else 'not_found' end;
  end;
  return jsonb_build_object('status', status, 'package_id', package_id);
end
$$;

comment on function public.soft_delete_professional_package(uuid) is
  'Marks a package of the calling coach as deleted. Returns status deleted, already_deleted, not_allowed or not_found. Harmless when repeated: the first time stands.';

create function public.restore_professional_package(package_id uuid) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  status text := 'restored';
begin
  begin
    perform nightshift.restore('public.professional_packages', jsonb_build_array(package_id), on_conflict => 'fail');
  exception
    when sqlstate 'NS409' then
      status := 'not_deleted';
    when sqlstate 'NS404' then
      status := case when exists (select from public.professional_packages p where p.id = package_id) then 'not_allowed' else 'not_found' end;
  end;
  return jsonb_build_object('status', status, 'package_id', package_id);
end
$$;

comment on function public.restore_professional_package(uuid) is
  'Brings a deleted package of the calling coach back. Returns status restored, not_deleted, not_allowed or not_found (which a purged package is).';

-- Each child is counted before it is joined, so that no join multiplies another's rows.
create materialized view public.mv_coach_performance_stats as
select
  u.id as coach_id,
  coalesce(c.total_clients, 0) as total_clients,
  coalesce(p.total_packages, 0) as total_packages,
  coalesce(p.total_likes, 0) as total_likes,
  round(p.total_likes / p.total_packages, 2) as avg_likes_per_package,
  coalesce(p.active_subscriptions, 0) as active_subscriptions,
  coalesce(e.total_earnings, 0) as total_earnings
from public.users u
left join (
  select cc.coach_id, count(*) as total_clients
  from public.coach_clients cc
  where cc.deleted_at is null
  group by cc.coach_id
) c on c.coach_id = u.id
left join (
  select
    pp.coach_id,
    count(*) as total_packages,
    sum(coalesce(l.likes, 0)) as total_likes,
    sum(coalesce(s.active, 0)) as active_subscriptions
  from public.professional_packages pp
  left join (
    select package_id, count(*) as likes from public.package_likes group by package_id
  ) l on l.package_id = pp.id
  left join (
    select package_id, count(*) as active
    from public.professional_package_subscriptions
    where deleted_at is null and status = 'active'
    group by package_id
  ) s on s.package_id = pp.id
  where pp.deleted_at is null
  group by pp.coach_id
) p on p.coach_id = u.id
left join (
  select pp.coach_id, sum(pay.amount) as total_earnings
  from public.payments pay
  join public.professional_package_subscriptions s on s.id = pay.subscription_id
  join public.professional_packages pp on pp.id = s.package_id
  where pay.status = 'completed'
  group by pp.coach_id
) e on e.coach_id = u.id
where u.role = 'coach';

comment on materialized view public.mv_coach_performance_stats is
  'One row a coach. Counts leave out soft-deleted rows; total_earnings is every completed payment, because deleting a package does not pay money back.';

create materialized view public.mv_user_health_metrics_summary as
select
  u.id as user_id,
  count(m.user_id) as total_metrics_recorded,
  max(m.recorded_date) as last_metric_date,
  round(avg(m.calories_burned), 1) as avg_calories_burned,
  round(avg(m.workout_minutes) filter (where m.workout_minutes > 0), 1) as avg_workout_minutes,
  round(avg(m.sleep_hours), 1) as avg_sleep_hours,
  count(*) filter (where m.workout_minutes > 0) as active_days
from public.users u
left join public.daily_metrics m on m.user_id = u.id
group by u.id;

comment on materialized view public.mv_user_health_metrics_summary is
  'One row a user. Averages are per recorded day, except avg_workout_minutes, which is per day with a workout (an active day).';

create materialized view public.mv_package_performance_stats as
select
  pp.id as package_id,
  pp.coach_id,
  pp.name,
  coalesce(s.subscription_count, 0) as subscription_count,
  round(100.0 * s.paid / s.subscription_count, 1) as completion_rate,
  coalesce(l.likes_count, 0) as likes_count,
  coalesce(s.active, 0) as active_subscriptions,
  coalesce(s.cancelled, 0) as cancelled_subscriptions
from public.professional_packages pp
left join (
  select
    sub.package_id,
    count(*) as subscription_count,
    count(*) filter (where sub.status = 'active') as active,
    count(*) filter (where sub.status = 'cancelled') as cancelled,
    count(pay.subscription_id) as paid
  from public.professional_package_subscriptions sub
  left join (
    select distinct subscription_id from public.payments where status = 'completed'
  ) pay on pay.subscription_id = sub.id
  where sub.deleted_at is null
  group by sub.package_id
) s on s.package_id = pp.id
left join (
  select package_id, count(*) as likes_count from public.package_likes group by package_id
) l on l.package_id = pp.id
where pp.deleted_at is null;

comment on materialized view public.mv_package_performance_stats is
  'One row a live package. completion_rate is the percentage of its subscriptions with a completed payment, null without subscriptions.';

create materialized view public.mv_user_target_achievement as
select
  t.id as target_id,
  t.user_id,
  t.metric_type,
  t.target_value,
  round(m.calories, 1) as actual_avg_calories,
  round(m.actual, 1) as actual_average,
  round(100 * m.actual / t.target_value, 1) as achievement_percentage,
  coalesce(m.days_tracked, 0) as days_tracked,
  m.last_tracked_date
from public.user_targets t
left join (
  select
    v.target_id,
    avg(v.calories_burned) as calories,
    avg(v.value) as actual,
    count(v.value) as days_tracked,
    max(v.recorded_date) filter (where v.value is not null) as last_tracked_date
  from (
    select
      tt.id as target_id,
      dm.recorded_date,
      dm.calories_burned,
      case tt.metric_type
        when 'calories_burned' then dm.calories_burned
        when 'workout_minutes' then dm.workout_minutes
        when 'sleep_hours' then dm.sleep_hours
      end as value
    from public.user_targets tt
    join public.daily_metrics dm
      on dm.user_id = tt.user_id
      and dm.recorded_date >= tt.start_date
      and dm.recorded_date <= coalesce(tt.end_date, 'infinity')
    where tt.deleted_at is null
  ) v
  group by v.target_id
) m on m.target_id = t.id
where t.deleted_at is null;

comment on materialized view public.mv_user_target_achievement is
  'One row a live target, measured between its start and end date. actual_average and achievement_percentage are of the target''s own metric, actual_avg_calories is of calories whatever the metric.';

create materialized view public.mv_coach_leaderboard as
select
  s.coach_id,
  rank() over (order by s.total_earnings desc) as earnings_rank,
  rank() over (order by s.total_clients desc) as clients_rank
from public.mv_coach_performance_stats s;

comment on materialized view public.mv_coach_leaderboard is
  'One row a coach: the place by earnings and by clients, 1 being the most. Ties share a place.';

create unique index mv_coach_leaderboard_key on public.mv_coach_leaderboard (coach_id);
create unique index mv_coach_performance_stats_key on public.mv_coach_performance_stats (coach_id);
create unique index mv_user_health_metrics_summary_key on public.mv_user_health_metrics_summary (user_id);
create unique index mv_package_performance_stats_key on public.mv_package_performance_stats (package_id);
create unique index mv_user_target_achievement_key on public.mv_user_target_achievement (target_id);
-- The dashboards ask by coach and by user.
create index mv_package_performance_stats_coach on public.mv_package_performance_stats (coach_id);
create index mv_user_target_achievement_user on public.mv_user_target_achievement (user_id);

-- For an administrator who cannot wait for the night. All views go in one transaction: concurrently, so readers go on.
create function public.refresh_all_materialized_views()
returns table (view_name text, refresh_time_ms integer)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set statement_timeout = '50s'
as $$
declare
  due regclass[] := array(
    select p.view from nightshift.refresh_policies p where p.enabled and p.view_name like 'public.%' order by p.view_name
  );
  policy nightshift.refresh_policies;
begin
  while cardinality(due) > 0 loop
    -- One that reads none of those still to do; views cannot read each other in a circle.
    select p.* into policy
    from nightshift.refresh_policies p
    where p.view = any(due)
      and not exists (select from nightshift.view_reads(p.view) r where r.relation = any(due))
    order by p.view_name
    limit 1;
    view_name := split_part(policy.view_name, '.', 2);
    refresh_time_ms := nightshift.refresh_policy_view(policy, force => true) -> 'durationMs';
    return next;
    due := array_remove(due, policy.view);
  end loop;
end
$$;

comment on function public.refresh_all_materialized_views() is
  'Refreshes every materialized view of public that has a refresh policy, changed or not, each after those it reads. Returns each with the time it took in milliseconds; null for one that another session is refreshing.';

alter table public.users enable row level security;
alter table public.professional_packages enable row level security;
alter table public.coach_clients enable row level security;
alter table public.professional_package_subscriptions enable row level security;
alter table public.payments enable row level security;
alter table public.package_likes enable row level security;
alter table public.user_targets enable row level security;
alter table public.coach_plans enable row level security;
alter table public.user_workouts enable row level security;
alter table public.activity_logs enable row level security;
alter table public.daily_metrics enable row level security;
alter table public.audit_logs enable row level security;

-- Owners see their deleted rows too: they may restore them, and an update whose result its own
-- select policy hides is refused. Coaches see the live rows of their present clients.
create policy "Users and their coaches see a user" on public.users for select to authenticated
  using (
    id = (select auth.uid())
    or id in (
      select client_id from public.coach_clients where coach_id = (select auth.uid()) and deleted_at is null
    )
  );
create policy "Users change themselves" on public.users for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));

create policy "Everyone sees live packages" on public.professional_packages for select to authenticated
  using (deleted_at is null or coach_id = (select auth.uid()));
create policy "Coaches add packages" on public.professional_packages for insert to authenticated
  with check (coach_id = (select auth.uid()));
create policy "Coaches change packages" on public.professional_packages for update to authenticated
  using (coach_id = (select auth.uid())) with check (coach_id = (select auth.uid()));

-- A coach sees a client's data, so it is the client who begins and ends the relation.
create policy "Both sides see the relation" on public.coach_clients for select to authenticated
  using (client_id = (select auth.uid()) or coach_id = (select auth.uid()));
create policy "Clients choose a coach" on public.coach_clients for insert to authenticated
  with check (client_id = (select auth.uid()));
create policy "Clients leave a coach" on public.coach_clients for update to authenticated
  using (client_id = (select auth.uid())) with check (client_id = (select auth.uid()));

create policy "Subscribers and coaches see subscriptions" on public.professional_package_subscriptions
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or package_id in (select id from public.professional_packages where coach_id = (select auth.uid()))
  );

-- The inner select is itself under row level security: whoever sees the subscription sees its payments.
create policy "Subscribers and coaches see payments" on public.payments for select to authenticated
  using (exists (select from public.professional_package_subscriptions s where s.id = subscription_id));

create policy "Users see their likes" on public.package_likes for select to authenticated
  using (user_id = (select auth.uid()));
create policy "Users like packages" on public.package_likes for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy "Users take likes back" on public.package_likes for delete to authenticated
  using (user_id = (select auth.uid()));

create policy "Users and their coaches see targets" on public.user_targets for select to authenticated
  using (
    user_id = (select auth.uid())
    or deleted_at is null and user_id in (
      select client_id from public.coach_clients where coach_id = (select auth.uid()) and deleted_at is null
    )
  );
create policy "Users set targets" on public.user_targets for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy "Users change targets" on public.user_targets for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create policy "Coaches and their clients see plans" on public.coach_plans for select to authenticated
  using (
    coach_id = (select auth.uid())
    or deleted_at is null and coach_id in (
      select c.coach_id from public.coach_clients c where c.client_id = (select auth.uid()) and c.deleted_at is null
    )
  );
create policy "Coaches add plans" on public.coach_plans for insert to authenticated
  with check (coach_id = (select auth.uid()));
create policy "Coaches change plans" on public.coach_plans for update to authenticated
  using (coach_id = (select auth.uid())) with check (coach_id = (select auth.uid()));

create policy "Users and their coaches see workouts" on public.user_workouts for select to authenticated
  using (
    user_id = (select auth.uid())
    or deleted_at is null and user_id in (
      select client_id from public.coach_clients where coach_id = (select auth.uid()) and deleted_at is null
    )
  );
create policy "Users add workouts" on public.user_workouts for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy "Users change workouts" on public.user_workouts for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create policy "Users see their activity" on public.activity_logs for select to authenticated
  using (user_id = (select auth.uid()));

create policy "Users and their coaches see metrics" on public.daily_metrics for select to authenticated
  using (
    user_id = (select auth.uid())
    or user_id in (
      select client_id from public.coach_clients where coach_id = (select auth.uid()) and deleted_at is null
    )
  );
create policy "Users record metrics" on public.daily_metrics for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy "Users correct metrics" on public.daily_metrics for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Older projects grant new objects to everyone, newer ones to no one: say it all. Materialized views
-- cannot have row level security, so only the service role reads them.
revoke all on
  public.users, public.professional_packages, public.coach_clients, public.professional_package_subscriptions,
  public.payments, public.package_likes, public.user_targets, public.coach_plans, public.user_workouts,
  public.activity_logs, public.daily_metrics, public.audit_logs,
  public.mv_coach_performance_stats, public.mv_coach_leaderboard, public.mv_user_health_metrics_summary,
  public.mv_package_performance_stats, public.mv_user_target_achievement
  from public, anon, authenticated;
revoke all on sequence public.activity_logs_id_seq, public.audit_logs_id_seq from public, anon, authenticated;
revoke all on function
  public.soft_delete_professional_package(uuid), public.restore_professional_package(uuid),
  public.refresh_all_materialized_views()
  from public, anon, authenticated;
grant execute on function public.refresh_all_materialized_views() to service_role;

grant select, insert, update, delete on
  public.users, public.professional_packages, public.coach_clients, public.professional_package_subscriptions,
  public.payments, public.package_likes, public.user_targets, public.coach_plans, public.user_workouts,
  public.activity_logs, public.daily_metrics, public.audit_logs
  to service_role;
grant select on
  public.mv_coach_performance_stats, public.mv_coach_leaderboard, public.mv_user_health_metrics_summary,
  public.mv_package_performance_stats, public.mv_user_target_achievement
  to service_role;

-- No delete on what is soft-deleted: for users, deleting is an update. Billing and the log are
-- written by the service role, and nobody makes themselves a coach.
grant select on
  public.users, public.professional_package_subscriptions, public.payments, public.activity_logs
  to authenticated;
grant update (display_name) on public.users to authenticated;
grant select, insert, update on
  public.professional_packages, public.user_targets, public.coach_plans, public.user_workouts, public.daily_metrics
  to authenticated;
grant select, insert, update (deleted_at) on public.coach_clients to authenticated;
grant select, insert, delete on public.package_likes to authenticated;

grant execute on function
  public.soft_delete_professional_package(uuid), public.restore_professional_package(uuid)
  to authenticated, service_role;
