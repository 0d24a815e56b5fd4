-- What is installed here, for whoever has to find out why a deployment does not work.
-- Why: the command line can compare its own files, clock and connection with it.

create or replace function nightshift.describe_installation()
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  versions jsonb;
begin
  begin
    execute format('select jsonb_agg(m.version order by m.version) from %s m',
      nightshift.scan_of('supabase_migrations.schema_migrations')) into versions;
  exception
    when undefined_table or invalid_schema_name or insufficient_privilege or sqlstate 'NS422' then
      versions := null;
  end;
  return jsonb_build_object(
    'serverVersion', current_setting('server_version'),
    'now', clock_timestamp(),
    -- The same over the API and over a direct connection, when both lead to the same database.
    'database', md5(concat_ws(' ', pg_postmaster_start_time(), (
      select d.oid from pg_catalog.pg_database d where d.datname = current_database()
    ))),
    'migrations', versions,
    'owner', current_user,
    'ownerSeesStatistics', pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
    'otherOwners', nightshift.other_owners(),
    'statementTimeouts', (
      select jsonb_object_agg(r.rolname, (
        select split_part(c, '=', 2)
        from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
        where s.setrole = r.oid and c like 'statement\_timeout=%'
          and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
        -- What is set for this database goes before what is set for all.
        order by s.setdatabase desc
        limit 1
      ))
      from pg_catalog.pg_roles r
      where r.rolname in ('service_role', 'authenticator')
    ),
    'paused', (
      select jsonb_build_object('since', s.paused_at, 'reason', s.paused_reason) from nightshift.settings s where s.paused
    ),
    'policies', jsonb_build_object(
      'retention', (select count(*) from nightshift.retention_policies),
      'refresh', (select count(*) from nightshift.refresh_policies),
      'partition', (select count(*) from nightshift.partition_policies)
    )
  );
end;
$$;

comment on function nightshift.describe_installation is
  'What is installed: serverVersion, now (the clock of the server), database (the same for every way into it), migrations (the versions recorded in supabase_migrations.schema_migrations; null when that cannot be read), owner of the functions, ownerSeesStatistics, otherOwners (see other_owners), statementTimeouts of service_role and authenticator (null: none of their own), paused ({since, reason}, or null), policies (how many of each kind).';
