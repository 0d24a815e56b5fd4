create or replace function nightshift.check_health(run_id uuid, fence bigint, only_checks text[] default null, quick boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set statement_timeout = '8s'
set lock_timeout = '500ms'
set row_security = off
set timezone = 'UTC'
as $$
declare
  run nightshift.runs := nightshift.hold_run(run_id, fence);
  today date := (now() at time zone 'UTC')::date;
  size bigint := pg_database_size(current_database());
  document jsonb;
  jobs jsonb;
begin
  if not run.dry_run and not exists (select 1 from nightshift.database_sizes s where s.measured_on = today) then
    insert into nightshift.database_sizes (measured_on, bytes, newest_oid)
    values (today, size, (select c.oid from pg_catalog.pg_class c order by c.oid desc limit 1))
    on conflict do nothing;
    delete from nightshift.database_sizes s where s.measured_on < today - 60;
  end if;
  perform nightshift.follow_tables();
  document := nightshift.assess_health(only_checks, quick, run.started_at);
  if not run.dry_run then
    perform nightshift.record_health(document -> 'checks', run.started_at);
  end if;
  begin
    jobs := nightshift.describe_jobs(run.started_at);
  exception
    -- The checks of the jobs say the same, each for itself.
    when lock_not_available or insufficient_privilege or query_canceled then
      jobs := null;
  end;
  return document || jsonb_build_object(
    'jobs', jobs, 'lastLevels', nightshift.last_health_levels(run.started_at), 'databaseBytes', size
  );
end;
$$;

comment on function nightshift.check_health is
  'What get_health returns, for a run, with jobs (see describe_jobs; null when the ledger is locked), lastLevels (see last_health_levels) and databaseBytes. It notes the size of the database, and its newest relation, once a day, and keeps what the checks found (see record_health) unless it is dry. Errors: NS404, NS409 lease lost.';
