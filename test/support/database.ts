import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, inject } from 'vitest';
import type { Gateway } from '../../infra/local/gateway.ts';
import { type LocalPostgres, startPostgres } from '../../infra/local/postgres.ts';
import { adminOf } from './admin.ts';
import { emptySchema } from './empty-schema.ts';
import { keepSecret } from './record-output.ts';
import { closeGateway, sharedGateway, sharedServer, templateDatabase } from './shared.ts';

const LEAVE_TIMEOUT_MS = 2_000;

export interface TestDatabase {
  url: string;
  sql: postgres.Sql;
  /** The Data API of this database. It starts, and reads the schema, when first asked for. */
  gateway(): Promise<Gateway>;
  /** A connection more, to race the others. */
  connect(): postgres.Sql;
  /** Fails when anyone but the clients from here is still connected. */
  drop(): Promise<void>;
}

/** A migrated database for the tests of one file, or of one `describe`. */
export function setUpDatabase(): TestDatabase {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
  });
  afterAll(() => db.drop());
  return {
    get url() {
      return db.url;
    },
    get sql() {
      return db.sql;
    },
    gateway: () => db.gateway(),
    connect: () => db.connect(),
    drop: () => db.drop(),
  };
}

/** A migrated database, for a test that drops it itself. */
export async function createDatabase(): Promise<TestDatabase> {
  const adminUrl = await sharedServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = adminOf(adminUrl);
  // Half the time of the other strategy, which writes all of it to the log as well.
  await admin`create database ${admin(name)} template ${admin(templateDatabase)} strategy file_copy`;
  const url = new URL(adminUrl);
  url.pathname = name;
  keepSecret(url.href, url.password);
  const clients = trackClients(url.href);
  let gateway: Promise<Gateway> | undefined;

  return {
    url: url.href,
    sql: clients.connect(4),
    gateway: () => (gateway ??= serve(url.href)),
    connect: () => clients.connect(1),
    drop: async () => {
      await (await gateway)?.close();
      await clients.end();
      const leaked = await leftConnections(admin, name);
      await admin`drop database ${admin(name)} with (force)`;
      if (leaked.length === 0) return;
      throw new Error(`Connections were left open, last seen with:\n${leaked.join('\n')}`);
    },
  };
}

async function serve(databaseUrl: string): Promise<Gateway> {
  const gateway = await sharedGateway(databaseUrl);
  keepSecret(gateway.secretKey, gateway.jwtSecret);
  return { ...gateway, close: async () => void (await closeGateway(databaseUrl)) };
}

/** An empty schema app, no policy, no run under way, and no transaction that a failed test left open. */
export async function startAfresh(sql: postgres.Sql): Promise<void> {
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and state like 'idle in transaction%'`;
  await sql.unsafe(`
    ${emptySchema('app')}
    delete from nightshift.retention_policies;
    delete from nightshift.refresh_policies;
    delete from nightshift.view_refreshes;
    delete from nightshift.vacuum_policies;
    delete from nightshift.partition_policies;
    delete from nightshift.retired_partitions;
    update nightshift.runs set status = 'lost', finished_at = now() where status = 'running';
    select nightshift.unpause();
  `);
}

/** As if a second more had passed than the run may be silent. */
export async function expireLease(sql: postgres.Sql): Promise<void> {
  await sql`
    update nightshift.runs set lease_expires_at = now() - interval '1 second'
    where status = 'running'`;
}

/** A server that no other test shares, of the version that is tested. */
export function startOwnServer(
  settings: Record<string, string> = {},
  superuser = 'postgres',
  binaries = inject('binaries'),
): Promise<LocalPostgres> {
  return startPostgres({ settings, superuser, ...(binaries ? { binaries } : {}) });
}

function trackClients(url: string) {
  const clients: postgres.Sql[] = [];
  return {
    connect: (max: number) => {
      const client = postgres(url, { max, onnotice: () => {} });
      clients.push(client);
      return client;
    },
    end: async () => {
      await Promise.all(clients.map((client) => client.end({ timeout: 5 })));
    },
  };
}

/** Asks for a while, because the server notices only a little later that a client has left. */
async function leftConnections(sql: postgres.Sql, database: string): Promise<string[]> {
  const deadline = performance.now() + LEAVE_TIMEOUT_MS;
  for (;;) {
    const left = await sql<{ application_name: string; query: string }[]>`
      select application_name, query from pg_stat_activity
      where datname = ${database} and backend_type = 'client backend'`;
    if (left.length === 0 || performance.now() > deadline) {
      return left.map(({ application_name, query }) => `${application_name}: ${query}`);
    }
    await sleep(20);
  }
}
