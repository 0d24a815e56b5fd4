-- From before the first release, when the schema was eighty-one files: all of them, or as many as were applied before one broke off.

do $$
declare
  recorded boolean := false;
  statement text;
begin
  if to_regclass('nightshift.migrations') is not null then
    execute 'select exists (select from nightshift.migrations)' into recorded;
  end if;
  if recorded or to_regnamespace('nightshift') is null then
    return;
  end if;
  -- Functions hold no data, and many have changed what they take or return; all are made anew. Together, since some depend on
  -- each other, and not with cascade: what else depends on them is someone else's.
  for statement in
    select format('drop trigger %I on %s', t.tgname, c.oid::regclass)
    from pg_catalog.pg_class c
    join pg_catalog.pg_trigger t on t.tgrelid = c.oid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where c.relnamespace = 'nightshift'::regnamespace and p.pronamespace = c.relnamespace and not t.tgisinternal
      -- Those of partitions go with that of their table.
      and t.tgparentid = 0
    union all
    select 'drop function ' || string_agg(p.oid::regprocedure::text, ', ')
    from pg_catalog.pg_proc p
    where p.pronamespace = 'nightshift'::regnamespace and 'search_path=pg_catalog, pg_temp' = any(p.proconfig)
    having count(*) > 0
  loop
    execute statement;
  end loop;
  drop type if exists nightshift.row_set, nightshift.partition_state, nightshift.job_state, nightshift.health_measure;
  -- A dry run takes no lease.
  drop index if exists nightshift.runs_one_running;
  -- What was called claim is the id of a request.
  if exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass('nightshift.runs') and a.attname = 'claim' and not a.attisdropped
  ) then
    alter table nightshift.runs rename column claim to request_id;
    alter index if exists nightshift.runs_claim rename to runs_request_id;
  end if;
end;
$$;

-- What was restored is in nightshift.deletion_events.
drop table if exists nightshift.restores;

-- A run can be cancelled, and ends as interrupted.
alter table if exists nightshift.runs
add column if not exists cancel_requested_at timestamptz,
add column if not exists cancel_requested_by text;

do $$
begin
  if exists (
    select from pg_catalog.pg_constraint k
    where k.conrelid = to_regclass('nightshift.runs') and k.conname = 'runs_status_check'
      and pg_get_constraintdef(k.oid) not like '%interrupted%'
  ) then
    alter table nightshift.runs drop constraint runs_status_check, add constraint runs_status_check check (
      status in ('running', 'continued', 'interrupted', 'succeeded', 'partial', 'failed', 'skipped', 'lost')
    );
  end if;
end;
$$;

alter table if exists nightshift.settings
add column if not exists partition_alert_bytes bigint not null default 10737418240 check (partition_alert_bytes > 0),
add column if not exists history_secret text;

alter table if exists nightshift.retention_policies
add column if not exists relation_name text,
add column if not exists first_purge text check (first_purge = 'all');

alter table if exists nightshift.settings
add column if not exists trend_retention interval not null default '400 days' check (trend_retention >= '60 days'),
add column if not exists size_limit_bytes bigint check (size_limit_bytes > 0),
add column if not exists size_limit_kind text check (size_limit_kind in ('database', 'disk', 'plan'));

do $$
begin
  if to_regclass('nightshift.settings') is not null and not exists (
    select from pg_catalog.pg_constraint k
    where k.conrelid = to_regclass('nightshift.settings') and k.conname = 'settings_size_limit'
  ) then
    alter table nightshift.settings
    add constraint settings_size_limit check ((size_limit_bytes is null) = (size_limit_kind is null));
  end if;
end;
$$;

-- The size of the database on each day is where the history of all sizes begins.
do $$
begin
  if to_regclass('nightshift.database_sizes') is null then
    return;
  end if;
  alter table nightshift.database_sizes rename to trend_points;
  alter table nightshift.trend_points drop constraint database_sizes_pkey;
  alter table nightshift.trend_points rename column measured_on to at;
  alter table nightshift.trend_points
  alter column at type timestamptz using at::timestamp at time zone 'UTC',
  alter column bytes drop not null,
  add column if not exists newest_oid oid,
  add column kind text not null default 'database',
  add column subject text not null default '',
  add column live_rows bigint,
  add column dead_rows bigint,
  add column rows_left bigint,
  add column connections integer,
  add column duration_ms bigint,
  add constraint trend_points_kind_check check (kind in ('database', 'table', 'job')),
  add constraint trend_points_pkey primary key (kind, subject, at);
  alter table nightshift.trend_points alter column kind drop default, alter column subject drop default;
end;
$$;
-- A job says what it is for.
alter table if exists nightshift.jobs
add column if not exists purpose text not null default '';
drop function if exists nightshift.declare_job(text, regclass, boolean, interval);

-- Functions tell people themselves what is wrong.
alter table if exists nightshift.home
add column if not exists functions_tell_at timestamptz;

-- It also watches an index being rebuilt.
drop function if exists nightshift.watch_vacuum(uuid, bigint, boolean);

-- What is gone is over when it is still gone later.
alter table if exists nightshift.home
add column if not exists gone text[];

alter table if exists nightshift.troubles
add column if not exists checks text[],
add column if not exists gone_at timestamptz;

drop function if exists nightshift.current_troubles(timestamptz);

-- Who ends a pause is known as well as who began it.
alter table if exists nightshift.settings
add column if not exists unpaused_at timestamptz,
add column if not exists unpaused_by text;

drop function if exists nightshift.unpause();
