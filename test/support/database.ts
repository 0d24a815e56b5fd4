import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { inject } from 'vitest';
import { type Gateway, startGateway } from '../../infra/local/gateway.ts';
import type { Suite } from './global-setup.ts';
import { keepSecret } from './record-output.ts';

const SCHEMAS = ['public', 'nightshift'];
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

/** A migrated database for one test file; on a real Supabase, the one database that all files share. */
export async function createDatabase(): Promise<TestDatabase> {
  const suite = inject('suite');
  const database = await (suite.kind === 'remote' ? sharedDatabase(suite) : ownDatabase(suite));
  keepSecret(database.url, new URL(database.url).password);
  return {
    ...database,
    gateway: async () => {
      const gateway = await database.gateway();
      keepSecret(gateway.secretKey, gateway.jwtSecret);
      return gateway;
    },
  };
}

async function ownDatabase({
  adminUrl,
  template,
}: Extract<Suite, { kind: 'local' }>): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withAdmin(adminUrl, (sql) => sql`create database ${sql(name)} template ${sql(template)}`);
  const url = new URL(adminUrl);
  url.pathname = name;
  const databaseUrl = url.href;
  const clients = trackClients(databaseUrl);
  let gateway: Promise<Gateway> | undefined;

  return {
    url: databaseUrl,
    sql: clients.connect(4),
    gateway: () => (gateway ??= startGateway({ databaseUrl, schemas: SCHEMAS })),
    connect: () => clients.connect(1),
    drop: async () => {
      await (await gateway)?.close();
      await clients.end();
      await withAdmin(adminUrl, async (sql) => {
        const leaked = await leftConnections(sql, name);
        await sql`drop database ${sql(name)} with (force)`;
        if (leaked.length === 0) return;
        throw new Error(`Connections were left open, last seen with:\n${leaked.join('\n')}`);
      });
    },
  };
}

function sharedDatabase({
  databaseUrl,
  url,
  secretKey,
  publishableKey,
  jwtSecret,
}: Extract<Suite, { kind: 'remote' }>): TestDatabase {
  const clients = trackClients(databaseUrl);
  const gateway = { url, secretKey, publishableKey, jwtSecret, close: async () => {} };
  return {
    url: databaseUrl,
    sql: clients.connect(4),
    gateway: async () => gateway,
    connect: () => clients.connect(1),
    drop: () => clients.end(),
  };
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

async function withAdmin(adminUrl: string, run: (sql: postgres.Sql) => PromiseLike<unknown>) {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await run(sql);
  } finally {
    await sql.end();
  }
}
