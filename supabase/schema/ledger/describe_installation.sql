-- What is installed here, for whoever has to find out why a deployment does not work.
-- Why: the command line can compare its own files, clock and connection with it.

create or replace function nightshift.describe_installation()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select jsonb_build_object(
    'serverVersion', current_setting('server_version'),
    'now', clock_timestamp(),
    -- The same over the API and over a direct connection, when both lead to the same database.
    'database', md5(concat_ws(' ', pg_postmaster_start_time(), (
      select d.oid from pg_catalog.pg_database d where d.datname = current_database()
    ))),
    'release', (
      select jsonb_build_object('version', m.version, 'checksum', m.checksum)
      from nightshift.migrations m
      order by string_to_array(m.version, '.')::integer[] desc
      limit 1
    ),
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
      'partition', (select count(*) from nightshift.partition_policies),
      'vacuum', (select count(*) from nightshift.vacuum_policies)
    )
  );
$$;

comment on function nightshift.describe_installation is
  'What is installed: serverVersion, now (the clock of the server), database (the same for every way into it), release ({version, checksum} of the newest that was applied, from nightshift.migrations; null when none was applied to its end), owner of the functions, ownerSeesStatistics, otherOwners (see other_owners), statementTimeouts of service_role and authenticator (null: none of their own), paused ({since, reason}, or null), policies (how many of each kind).';
