-- Fills the example applications with rows: nightshift_example.fill_coaching() and fill_catalog().
-- Every value comes from hashing a row's number, so the same sizes give the same rows; every time is
-- relative to now(). Apply after catalog.sql and coaching.sql, and fill each once.

create schema nightshift_example;
revoke all on schema nightshift_example from public;

comment on schema nightshift_example is 'Rows for the example applications. Not exposed over the API.';

-- These two have no pinned search path because that would keep them from being inlined, which a
-- million rows would feel. Their bodies are parsed when they are created, so no path can mislead them.
create function nightshift_example.dice(n bigint, throw integer) returns double precision
language sql immutable parallel safe
return (pg_catalog.hashint8extended(n, throw) & 1073741823) / 1073741824::double precision;

comment on function nightshift_example.dice(bigint, integer) is
  'A number from 0 (inclusive) to 1 (exclusive), always the same for the same row number and throw.';

create function nightshift_example.key(kind text, n bigint) returns uuid
language sql immutable parallel safe
return pg_catalog.md5(kind || ' ' || n::text)::uuid;

comment on function nightshift_example.key(text, bigint) is 'The id of the n-th row of a kind.';

create function nightshift_example.fill_people(users integer, coaches integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  members integer := users - coaches;
begin
  insert into public.users (id, email, display_name, role, created_at)
  select
    nightshift_example.key('user', n),
    format('user%s@example.com', n),
    format('User %s', n),
    case when n <= coaches then 'coach' else 'member' end,
    now() - interval '1 day' * (2200 + 300 * nightshift_example.dice(n, 1))
  from generate_series(1, users) as n;

  insert into public.coach_clients (id, coach_id, client_id, created_at, deleted_at)
  select
    nightshift_example.key('client', n * 2 + i),
    nightshift_example.key('user', 1 + (floor(coaches * nightshift_example.dice(n, 2))::integer + i) % coaches),
    nightshift_example.key('user', coaches + n),
    now() - interval '1 day' * (1100 + 900 * nightshift_example.dice(n * 2 + i, 3)),
    case when nightshift_example.dice(n * 2 + i, 4) < 0.25
      then now() - interval '1 day' * 1095 * nightshift_example.dice(n * 2 + i, 5) end
  from generate_series(1, members) as n
  cross join generate_series(0, least(coaches, 2) - 1) as i;

  insert into public.user_targets (id, user_id, metric_type, target_value, start_date, end_date, created_at, deleted_at)
  select
    nightshift_example.key('target', t.n),
    nightshift_example.key('user', 1 + t.n % users),
    (array['calories_burned', 'workout_minutes', 'sleep_hours'])[1 + t.kind],
    (array[
      350 + 25 * floor(8 * nightshift_example.dice(t.n, 6)),
      20 + 5 * floor(6 * nightshift_example.dice(t.n, 6)),
      7.5
    ])[1 + t.kind],
    (t.created_at at time zone 'utc')::date,
    case when nightshift_example.dice(t.n, 7) < 0.3 then (t.created_at at time zone 'utc')::date + 90 end,
    t.created_at,
    case when nightshift_example.dice(t.n, 8) < 0.15
      then t.created_at + (now() - t.created_at) * nightshift_example.dice(t.n, 9) end
  from (
    select
      n,
      (n / users) % 3 as kind,
      now() - interval '1 day' * 730 * nightshift_example.dice(n, 10) as created_at
    from generate_series(0, users * 3 - 1) as n
  ) t;
end
$$;

comment on function nightshift_example.fill_people(integer, integer) is
  'Users of whom the first are coaches, two coaches a member, three targets a user.';

create function nightshift_example.fill_workouts(users integer, coaches integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.coach_plans (id, coach_id, name, created_at, deleted_at)
  select
    nightshift_example.key('plan', n),
    nightshift_example.key('user', 1 + n % coaches),
    format('Plan %s', n + 1),
    now() - interval '1 day' * (1500 + 500 * nightshift_example.dice(n, 11)),
    case when nightshift_example.dice(n, 12) < 0.2
      then now() - interval '1 day' * 1460 * nightshift_example.dice(n, 13) end
  from generate_series(0, coaches * 10 - 1) as n;

  insert into public.user_workouts (id, user_id, plan_id, title, duration_minutes, created_at, deleted_at)
  select
    nightshift_example.key('workout', n),
    nightshift_example.key('user', 1 + n % users),
    case when nightshift_example.dice(n, 14) < 0.5
      then nightshift_example.key('plan', floor(coaches * 10 * nightshift_example.dice(n, 15))::bigint) end,
    (array['Run', 'Swim', 'Ride', 'Strength', 'Yoga'])[1 + floor(5 * nightshift_example.dice(n, 16))::integer],
    15 + floor(75 * nightshift_example.dice(n, 17))::integer,
    now() - age,
    case when nightshift_example.dice(n, 18) < 0.1 then now() - age * nightshift_example.dice(n, 19) end
  from generate_series(0, users * 10 - 1) as n
  cross join lateral (select interval '1 day' * (1095.0 * (users * 10 - n) / (users * 10))) as t (age);
end
$$;

comment on function nightshift_example.fill_workouts(integer, integer) is
  'Ten plans a coach and ten workouts a user, half of them by a plan.';

create function nightshift_example.fill_packages(packages integer, coaches integer, users integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Every second package is deleted, and all lie in the order of their creation, as they would in a table
  -- that grew. The squared dice gives some coaches many packages and most a few.
  insert into public.professional_packages (id, coach_id, name, description, price, created_at, deleted_at)
  select
    nightshift_example.key('package', n),
    nightshift_example.key('user', 1 + floor(coaches * nightshift_example.dice(n, 20) ^ 2)::bigint),
    format('Package %s', n),
    format('%s weeks of coaching, with a weekly call and a plan that follows your progress.', 4 + n % 9),
    19 + 10 * (n % 12),
    created_at,
    deleted_at
  from (
    select n, deleted_at, coalesce(deleted_at, now()) - interval '1 day' * age as created_at
    from generate_series(1, packages) as n
    cross join lateral (
      select
        case when n % 2 = 0 then now() - interval '1 day' * 1826 * nightshift_example.dice(n, 21) end,
        case when n % 2 = 0 then 10 + 355 * nightshift_example.dice(n, 22) else 2190 * nightshift_example.dice(n, 22) end
    ) as t (deleted_at, age)
  ) p
  order by created_at;

  insert into public.package_likes (package_id, user_id, created_at)
  with liked as materialized (
    select n, nightshift_example.key('package', n) as package_id
    from generate_series(1, packages) as n
    where nightshift_example.dice(n, 23) < case when n % 2 = 0 then 0.015 else 0.15 end
  )
  select
    p.id,
    nightshift_example.key('user', 1 + (floor(users * nightshift_example.dice(n, 24))::bigint + i) % users),
    p.created_at + (coalesce(p.deleted_at, now()) - p.created_at) * nightshift_example.dice(n, 25 + i)
  from liked
  join public.professional_packages p on p.id = liked.package_id
  cross join generate_series(0, least(users, 3) - 1) as i
  where i <= 3 * nightshift_example.dice(n, 30);
end
$$;

comment on function nightshift_example.fill_packages(integer, integer, integer) is
  'Packages, half of them deleted over the last five years, and their likes, few of them on deleted packages.';

create function nightshift_example.fill_subscriptions(packages integer, users integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Which packages have subscriptions, and of what kind:
  --   alive    one live package in eight: one to three subscriptions, most of them paid;
  --   keeping  one deleted package in fifty: a live or a paid subscription, which a purge must not lose;
  --   gone     one deleted package in twenty: subscriptions all deleted before it and never paid.
  with subscribed as (
    select
      p.id as package_id,
      p.price,
      p.created_at,
      coalesce(p.deleted_at, now()) as ended_at,
      k.kind,
      n / 100 % 3 as variant,
      n * 4 + i as number,
      nightshift_example.dice(n * 4 + i, 31) as fate
    from generate_series(1, packages) as n
    cross join lateral (
      select case
        when n % 16 = 1 then 'alive'
        when n % 100 = 14 then 'keeping'
        when n % 40 = 6 then 'gone'
      end
    ) as k (kind)
    join public.professional_packages p on p.id = nightshift_example.key('package', n)
    cross join generate_series(0, case k.kind when 'alive' then 2 when 'gone' then 1 else 0 end) as i
    where k.kind is not null and nightshift_example.dice(n, 32) >= i / 3.0
  ),
  planned as materialized (
    select
      s.*,
      nightshift_example.key('subscription', number) as id,
      s.created_at + (ended_at - s.created_at) * nightshift_example.dice(number, 33) * 0.9 as started_at,
      case
        when kind = 'keeping' and variant < 2 then 'active'
        when kind <> 'alive' then 'cancelled'
        when fate < 0.6 then 'active'
        when fate < 0.85 then 'cancelled'
        else 'expired'
      end as status,
      case kind
        when 'alive' then fate >= 0.84
        when 'keeping' then variant = 2
        else true
      end as is_deleted,
      case kind
        when 'alive' then floor(3 * nightshift_example.dice(number, 34))::integer
        when 'keeping' then least(variant, 1)
        else 0
      end as payments
    from subscribed s
  ),
  inserted as (
    insert into public.professional_package_subscriptions (id, package_id, user_id, status, created_at, deleted_at)
    select
      id,
      package_id,
      nightshift_example.key('user', 1 + floor(users * nightshift_example.dice(number, 35))::bigint),
      status,
      started_at,
      case when is_deleted then started_at + (ended_at - started_at) * nightshift_example.dice(number, 36) end
    from planned
  )
  insert into public.payments (id, subscription_id, amount, status, created_at)
  select
    nightshift_example.key('payment', number * 4 + i),
    id,
    price,
    case
      when kind = 'keeping' or nightshift_example.dice(number * 4 + i, 37) < 0.9 then 'completed'
      when nightshift_example.dice(number * 4 + i, 37) < 0.96 then 'failed'
      else 'refunded'
    end,
    started_at + (ended_at - started_at) * nightshift_example.dice(number * 4 + i, 38)
  from planned
  cross join lateral generate_series(1, payments) as i;
end
$$;

comment on function nightshift_example.fill_subscriptions(integer, integer) is
  'Subscriptions and payments, among them those that must keep a deleted package from being purged.';

create function nightshift_example.fill_logs(users integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.activity_logs
    (user_id, action, entity_type, entity_id, details, ip_address, user_agent, status, created_at)
  select
    case when t.status <> 'error'
      then nightshift_example.key('user', 1 + floor(users * nightshift_example.dice(n, 40))::bigint) end,
    (array['login', 'logout', 'view_package', 'record_metric', 'change_profile'])[1 + kind],
    case when kind = 2 then 'package' end,
    case when kind = 2 then nightshift_example.key('package', n)::text end,
    jsonb_build_object('attempt', 1 + n % 3),
    '10.0.0.0'::inet + n % 65536,
    'Example/1.0',
    t.status,
    now() - interval '200 days' * ((users * 20 - n) / (users * 20.0))
  from generate_series(1, users * 20) as n
  cross join lateral (
    select
      floor(5 * nightshift_example.dice(n, 41))::integer,
      case when nightshift_example.dice(n, 42) < 0.95 then 'success'
        when nightshift_example.dice(n, 42) < 0.98 then 'failed' else 'error' end
  ) as t (kind, status);
end
$$;

create function nightshift_example.fill_audits(users integer) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.audit_logs (actor_id, action, entity, occurred_at)
  select
    nightshift_example.key('user', 1 + floor(users * nightshift_example.dice(n, 50))::bigint),
    (array['insert', 'update', 'delete'])[1 + n % 3],
    (array['package', 'plan', 'target', 'workout'])[1 + n % 4],
    now() - interval '330 days' * ((users * 40 - n) / (users * 40.0))
  from generate_series(1, users * 40) as n;
  -- From a device that believes it is 2038.
  insert into public.audit_logs (action, entity, occurred_at) values ('update', 'workout', '2038-01-19 03:14:07+00');
end
$$;

comment on function nightshift_example.fill_audits(integer) is
  'Forty audits a user over eleven months, and one from the far future.';

comment on function nightshift_example.fill_logs(integer) is
  'Twenty log entries a user, evenly over the last 200 days, oldest first.';

create function nightshift_example.fill_metrics(users integer, metrics integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  today date := (now() at time zone 'utc')::date;
  first_day date;
  days integer;
begin
  select min(substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''(.+?)''\)')::date)
    into first_day
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.daily_metrics'::regclass;
  days := today - first_day + 1;

  if metrics > users::bigint * days then
    raise notice 'metrics: % asked for, % made', metrics, users * days
      using detail = format('%s users have at most one row on each of the %s days since %s.', users, days, first_day),
        hint = 'Ask for more users.';
    metrics := users * days;
  end if;

  -- A user at a time in the order of the ids, so that the primary keys of the partitions grow at their ends.
  -- A user's days are at least one apart because no one has more rows than there are days.
  insert into public.daily_metrics (user_id, recorded_date, calories_burned, workout_minutes, sleep_hours)
  select
    u.id,
    first_day + floor((i + u.offset_days) * days / u.rows)::integer,
    150 + floor(600 * t.a)::integer,
    case when t.b < 0.5 then floor(30 + 120 * t.b)::integer else 0 end,
    case when t.a < 0.9 then round((5 + 4 * t.b)::numeric, 1) end
  from (
    select
      n,
      nightshift_example.key('user', n) as id,
      nightshift_example.dice(n, 43) as offset_days,
      metrics / users + (case when n <= metrics % users then 1 else 0 end) as rows
    from generate_series(1, users) as n
    order by 2
  ) u
  cross join lateral generate_series(0, u.rows - 1) as i
  cross join lateral (
    select nightshift_example.dice(u.n::bigint * 10000 + i, 44), nightshift_example.dice(u.n::bigint * 10000 + i, 45)
  ) as t (a, b);
end
$$;

comment on function nightshift_example.fill_metrics(integer, integer) is
  'At most one row a user a day, each user''s evenly from the start of the oldest partition until today.';

create function nightshift_example.fill_coaching(
  users integer default 200,
  packages integer default 1000,
  metrics integer default 5000
) returns jsonb
language plpgsql
set search_path = ''
set timezone = 'UTC'
set jit = off
set work_mem = '64MB'
as $$
declare
  coaches integer := greatest(users / 10, 1);
begin
  if users < 2 or packages < 0 or metrics < 0 then
    raise exception 'cannot fill the coaching example with % users, % packages and % metrics', users, packages, metrics
      using errcode = '22023', hint = 'Ask for at least two users, and for no negative number.';
  end if;
  if exists (select from public.users u where u.id = nightshift_example.key('user', 1)) then
    raise exception 'the coaching example is already filled'
      using errcode = '55000', hint = 'Fill a fresh database, or delete the example rows first.';
  end if;

  raise notice 'filling people';
  perform nightshift_example.fill_people(users, coaches);
  raise notice 'filling workouts';
  perform nightshift_example.fill_workouts(users, coaches);
  raise notice 'filling packages';
  perform nightshift_example.fill_packages(packages, coaches, users);
  raise notice 'filling subscriptions';
  perform nightshift_example.fill_subscriptions(packages, users);
  raise notice 'filling logs';
  perform nightshift_example.fill_logs(users);
  raise notice 'filling audits';
  perform nightshift_example.fill_audits(users);
  raise notice 'filling metrics';
  perform nightshift_example.fill_metrics(users, metrics);

  analyze public.users, public.coach_clients, public.user_targets, public.coach_plans, public.user_workouts,
    public.professional_packages, public.package_likes, public.professional_package_subscriptions,
    public.payments, public.activity_logs, public.daily_metrics, public.audit_logs;

  return jsonb_build_object(
    'users', (select count(*) from public.users),
    'coach_clients', (select count(*) from public.coach_clients),
    'user_targets', (select count(*) from public.user_targets),
    'coach_plans', (select count(*) from public.coach_plans),
    'user_workouts', (select count(*) from public.user_workouts),
    'professional_packages', (select count(*) from public.professional_packages),
    'package_likes', (select count(*) from public.package_likes),
    'professional_package_subscriptions', (select count(*) from public.professional_package_subscriptions),
    'payments', (select count(*) from public.payments),
    'activity_logs', (select count(*) from public.activity_logs),
    'daily_metrics', (select count(*) from public.daily_metrics),
    'audit_logs', (select count(*) from public.audit_logs));
end
$$;

comment on function nightshift_example.fill_coaching(integer, integer, integer) is
  'Fills the coaching example and returns the number of rows of each table. Does not refresh the materialized views.';

create function nightshift_example.fill_catalog(products integer default 500) returns jsonb
language plpgsql
set search_path = ''
set timezone = 'UTC'
set jit = off
as $$
declare
  owners integer := greatest(products / 50, 1);
  utc_now timestamp := now() at time zone 'utc';
  first_user integer;
  first_product integer;
  first_asset integer;
  first_attribute integer;
begin
  if products < 0 then
    raise exception 'cannot fill the catalog example with % products', products
      using errcode = '22023', hint = 'Ask for no negative number.';
  end if;
  if exists (select from public."User" u where u."authId" = nightshift_example.key('owner', 1)) then
    raise exception 'the catalog example is already filled'
      using errcode = '55000', hint = 'Fill a fresh database, or delete the example rows first.';
  end if;

  select coalesce(max(id), 0) + 1 into first_user from public."User";
  select coalesce(max(id), 0) + 1 into first_product from public."Product";
  select coalesce(max(id), 0) + 1 into first_asset from public."Asset";
  select coalesce(max(id), 0) + 1 into first_attribute from public."Attribute";

  insert into public."User" (id, "authId", email, "createdAt")
  select
    first_user + n,
    nightshift_example.key('owner', n + 1),
    format('owner%s@example.com', n + 1),
    utc_now - interval '400 days'
  from generate_series(0, owners - 1) as n;

  insert into public."Attribute" (id, "userId", name)
  select first_attribute + n, first_user + n / 4, (array['Colour', 'Size', 'Material', 'Weight'])[1 + n % 4]
  from generate_series(0, owners * 4 - 1) as n;

  -- Every third product is deleted, and every sixth sku was used again by the product after it.
  insert into public."Product" (id, "userId", sku, name, "createdAt", "isDeleted", "deletedAt")
  select
    first_product + n,
    first_user + n / 6 % owners,
    format('SKU-%s', lpad((case when n % 6 = 1 then n - 1 else n end)::text, 7, '0')),
    format('Product %s', n + 1),
    utc_now - interval '1 day' * (121 + 240 * nightshift_example.dice(n, 50)),
    n % 3 = 0,
    case when n % 3 = 0 then utc_now - interval '1 day' * 120 * nightshift_example.dice(n, 51) end
  from generate_series(0, products - 1) as n;

  insert into public."Asset" (id, "userId", "fileName", "mimeType", "sizeBytes", "createdAt", "isDeleted", "deletedAt")
  select
    first_asset + n,
    first_user + n / 6 % owners,
    format('photo-%s.jpg', n + 1),
    'image/jpeg',
    20000 + floor(2000000 * nightshift_example.dice(n, 52))::bigint,
    utc_now - interval '1 day' * (121 + 240 * nightshift_example.dice(n, 53)),
    n % 4 = 0,
    case when n % 4 = 0 then utc_now - interval '1 day' * 120 * nightshift_example.dice(n, 54) end
  from generate_series(0, products - 1) as n;

  -- Four products in five have a photo: their own, so that some deleted ones hang on live products.
  insert into public."ProductAsset" ("productId", "assetId")
  select first_product + n, first_asset + n
  from generate_series(0, products - 1) as n
  where n % 5 <> 0;

  insert into public."ProductAttribute" ("productId", "attributeId", value)
  select first_product + n, first_attribute + n / 6 % owners * 4 + i, format('value %s', 1 + (n + i) % 9)
  from generate_series(0, products - 1) as n
  cross join generate_series(0, 3) as i
  where nightshift_example.dice(n * 4 + i, 55) < 0.6;

  perform setval(pg_get_serial_sequence('public."User"', 'id'), first_user + owners, false);
  perform setval(pg_get_serial_sequence('public."Product"', 'id'), first_product + products, false);
  perform setval(pg_get_serial_sequence('public."Asset"', 'id'), first_asset + products, false);
  perform setval(pg_get_serial_sequence('public."Attribute"', 'id'), first_attribute + owners * 4, false);

  analyze public."User", public."Product", public."Asset", public."Attribute",
    public."ProductAsset", public."ProductAttribute";

  return jsonb_build_object(
    'User', (select count(*) from public."User"),
    'Product', (select count(*) from public."Product"),
    'Asset', (select count(*) from public."Asset"),
    'Attribute', (select count(*) from public."Attribute"),
    'ProductAsset', (select count(*) from public."ProductAsset"),
    'ProductAttribute', (select count(*) from public."ProductAttribute"));
end
$$;

comment on function nightshift_example.fill_catalog(integer) is
  'Fills the catalog example and returns the number of rows of each table.';

revoke all on all functions in schema nightshift_example from public, anon, authenticated;
