import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { bootstrap } from '../../infra/local/postgres.ts';
import { startOwnServer } from './database.ts';
import { keepSecret } from './record-output.ts';

export interface HostedPostgres {
  /** Projects made before 2026 let the API roles at every new object in `public`; newer ones grant nothing. */
  createProject(made: 'before 2026' | 'since 2026', name?: string): Promise<HostedProject>;
  stop(): Promise<void>;
}

export interface HostedProject {
  /** Connects as `postgres`, which owns the database and is no superuser. */
  url: string;
  sql: postgres.Sql;
  /** A superuser, as support at Supabase is. */
  admin: postgres.Sql;
  close(): Promise<void>;
}

const TEMPLATE = 'hosted_template';

/** A Postgres whose roles, owners and event triggers are those of a hosted Supabase project. */
export async function startHostedPostgres(
  settings: Record<string, string> = {},
  binaries?: string,
): Promise<HostedPostgres> {
  const cluster = await startOwnServer(settings, 'supabase_admin', binaries);
  const admin = postgres(cluster.adminUrl(), { max: 1, onnotice: () => {} });
  const password = new URL(cluster.adminUrl()).password;
  keepSecret(password);
  const stop = async () => {
    await admin.end();
    await cluster.stop();
  };
  try {
    await admin`create database ${admin(TEMPLATE)}`;
    await bootstrap(cluster.adminUrl(TEMPLATE));
    await admin.unsafe(
      `create role postgres login createrole createdb replication bypassrls password '${password}'`,
    );
    await admin.unsafe(ROLES);
    const template = postgres(cluster.adminUrl(TEMPLATE), { max: 1, onnotice: () => {} });
    await template.unsafe(SCHEMAS).simple();
    await template.unsafe(EVENT_TRIGGERS).simple();
    await template.end();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stop,
    createProject: async (made, name = `project_${randomBytes(6).toString('hex')}`) => {
      await admin`create database ${admin(name)} template ${admin(TEMPLATE)} owner postgres`;
      const url = new URL(cluster.adminUrl(name));
      url.username = 'postgres';
      const sql = postgres(url.href, { max: 2, onnotice: () => {} });
      const ofAdmin = postgres(cluster.adminUrl(name), { max: 1, onnotice: () => {} });
      if (made === 'before 2026') await ofAdmin.unsafe(DEFAULT_PRIVILEGES);
      return {
        url: url.href,
        sql,
        admin: ofAdmin,
        close: async () => {
          await Promise.all([sql.end(), ofAdmin.end()]);
        },
      };
    },
  };
}

/** Up to Postgres 15, createrole alone allows passing a membership on. */
const ROLES = `
  do $$
  declare
    admin_option text := case when current_setting('server_version_num')::integer >= 160000 then 'with admin option' else '' end;
  begin
    execute 'grant anon, authenticated, service_role, pg_monitor, pg_read_all_data, pg_signal_backend to postgres ' || admin_option;
    if admin_option <> '' then
      grant authenticator, pg_create_subscription to postgres with admin option;
    end if;
  end
  $$;
  alter role postgres set search_path = "$user", public, extensions;
  create role supabase_auth_admin login noinherit createrole;
  create role supabase_storage_admin login noinherit createrole;
  create role dashboard_user nologin createrole createdb replication;
`;

const SCHEMAS = `
  grant all on schema extensions to postgres;
  grant all on all tables in schema extensions to postgres with grant option;
  grant all on all routines in schema extensions to postgres with grant option;
  grant usage on schema public, auth to postgres;
  grant all on schema auth to supabase_auth_admin;
  create table auth.users (id uuid primary key, email text unique, raw_user_meta_data jsonb);
  alter table auth.users owner to supabase_auth_admin;
  alter table auth.users enable row level security;
  grant all on auth.users to postgres;
  create schema storage authorization supabase_admin;
  grant usage on schema storage to postgres, anon, authenticated, service_role;
  grant all on schema storage to supabase_storage_admin;
  create table storage.objects (id uuid primary key default gen_random_uuid(), name text, owner uuid);
  alter table storage.objects owner to supabase_storage_admin;
  alter table storage.objects enable row level security;
  grant all on storage.objects to postgres, anon, authenticated, service_role;
`;

const DEFAULT_PRIVILEGES = ['postgres', 'supabase_admin']
  .flatMap((role) =>
    ['tables', 'functions', 'sequences'].map(
      (kind) =>
        `alter default privileges for role ${role} in schema public
           grant all on ${kind} to postgres, anon, authenticated, service_role;`,
    ),
  )
  .join('\n');

/**
 * They run in the session, with the rights and the search path of whoever changes the schema. Those of cron and of graphql take
 * it that a command makes one object, as they did for years: one that makes several fails in them.
 */
const EVENT_TRIGGERS = `
  create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
  begin
    perform from pg_event_trigger_ddl_commands() c
    where c.schema_name is distinct from 'pg_temp'
      and (c.command_tag ~ '^(CREATE|ALTER) (SCHEMA|TABLE|FOREIGN TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|TYPE)'
        or c.command_tag in ('SELECT INTO', 'CREATE TRIGGER', 'CREATE RULE', 'COMMENT'));
    if found then
      notify pgrst, 'reload schema';
    end if;
  end
  $$;
  create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();

  create function extensions.pgrst_drop_watch() returns event_trigger language plpgsql as $$
  begin
    perform from pg_event_trigger_dropped_objects() o
    where not o.is_temporary
      and o.object_type in ('schema', 'table', 'foreign table', 'view', 'materialized view', 'function', 'trigger', 'type', 'rule');
    if found then
      notify pgrst, 'reload schema';
    end if;
  end
  $$;
  create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();

  create function extensions.grant_pg_cron_access() returns event_trigger language plpgsql as $$
  declare
    made_cron boolean := (
      select n.nspname = 'cron' from pg_event_trigger_ddl_commands() c left join pg_namespace n on n.oid = c.objid
    );
  begin
    if made_cron then
      grant usage on schema cron to postgres with grant option;
    end if;
  end
  $$;
  create event trigger issue_pg_cron_access on ddl_command_end
    when tag in ('CREATE SCHEMA') execute function extensions.grant_pg_cron_access();

  create function extensions.grant_pg_graphql_access() returns event_trigger language plpgsql as $$
  declare
    made_resolver boolean := (
      select p.proname = 'resolve' and p.pronamespace = to_regnamespace('graphql')
      from pg_event_trigger_ddl_commands() c left join pg_proc p on p.oid = c.objid
    );
  begin
    if made_resolver then
      grant usage on schema graphql to postgres, anon, authenticated, service_role;
    end if;
  end
  $$;
  create event trigger issue_pg_graphql_access on ddl_command_end
    when tag in ('CREATE FUNCTION') execute function extensions.grant_pg_graphql_access();

  create function extensions.set_graphql_placeholder() returns event_trigger language plpgsql as $$
  declare
    dropped_graphql boolean := (
      select true from pg_event_trigger_dropped_objects() o where o.schema_name = 'graphql_public'
    );
  begin
    if dropped_graphql then
      raise notice 'pg_graphql is not enabled';
    end if;
  end
  $$;
  create event trigger issue_graphql_placeholder on sql_drop
    when tag in ('DROP EXTENSION') execute function extensions.set_graphql_placeholder();
`;
