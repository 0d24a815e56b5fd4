import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../cli/installation/migrate.ts';
import { type Gateway, startGateway } from '../../infra/local/gateway.ts';
import { bootstrap, type LocalPostgres, startPostgres } from '../../infra/local/postgres.ts';
import { whyNoBrowser } from './chromium.ts';
import { folderInMemory } from './folder-in-memory.ts';
import { packageInto } from './packaging.ts';
import { packInto } from './packed.ts';
import { whyNoCron } from './pg-cron.ts';
import { binariesOf } from './postgres-major.ts';
import { templateDatabase } from './shared.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where test files ask for what they share. */
    sharedUrl: string;
    /** Of the Postgres that PG asks for; undefined is the one that is installed. */
    binaries: string | undefined;
  }
}

/**
 * Test files run in processes of their own. What they share is made here, in the process that outlives them, when the first
 * of them asks for it: the unit tests start no server, and nothing is made twice.
 */
export default async function setup(project: TestProject) {
  const binaries = await binariesOf(process.env.PG);
  const directory = await mkdtemp(join(folderInMemory() ?? tmpdir(), 'nightshift-tests-'));
  // All that tests and what they start leave behind goes there, the data of servers too, which run as another user.
  await chmod(directory, 0o755);
  process.env.TMPDIR = directory;
  drawSeed();
  if (whyNoCron) console.log(`Tests with the real pg_cron are skipped: ${whyNoCron}`);
  if (whyNoBrowser) console.log(`Tests in a browser are skipped: ${whyNoBrowser}`);
  const servers: LocalPostgres[] = [];

  async function startServer(): Promise<string> {
    const settings = { max_prepared_transactions: '5' };
    const server = await startPostgres({ settings, ...(binaries ? { binaries } : {}) });
    servers.push(server);
    await createTemplate(server);
    return server.adminUrl();
  }

  const gateways = new Map<string, Gateway>();

  /** Here it is loaded once, where each test file would load it anew. */
  async function serve(databaseUrl: string): Promise<string> {
    const gateway = await startGateway({ databaseUrl, schemas: ['public', 'nightshift'] });
    gateways.set(databaseUrl, gateway);
    return JSON.stringify(gateway);
  }

  async function stopServing(databaseUrl: string): Promise<string> {
    await gateways.get(databaseUrl)?.close();
    gateways.delete(databaseUrl);
    return '';
  }

  async function pack(): Promise<string> {
    return JSON.stringify(await packInto(join(directory, 'packed')));
  }

  const made = new Map<string, Promise<string>>();
  const make = (wanted: string): Promise<string> => {
    const [what, ...details] = JSON.parse(wanted);
    if (what === 'server') return startServer();
    if (what === 'gateway') return serve(details[0]);
    if (what === 'no gateway') return stopServing(details[0]);
    if (what === 'packed') return pack();
    return packageInto(join(directory, `package-${made.size}`), details);
  };
  const shared = createServer(async (request, response) => {
    const wanted = await text(request);
    const making = made.get(wanted) ?? make(wanted);
    made.set(wanted, making);
    await making.then(
      (answer) => response.end(answer),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  shared.listen(0, '127.0.0.1');
  await once(shared, 'listening');
  const { port } = shared.address() as AddressInfo;
  project.provide('sharedUrl', `http://127.0.0.1:${port}`);
  project.provide('binaries', binaries);

  return async () => {
    shared.close();
    shared.closeAllConnections();
    await Promise.allSettled(made.values());
    await Promise.all(Array.from(gateways.values(), (gateway) => gateway.close()));
    await Promise.all(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  };
}

/** Of the cases that are tried by day, where there is no time for all. Workers inherit it. */
function drawSeed() {
  process.env.PROPERTY_SEED ??= String(randomInt(2 ** 31 - 1));
  console.log(`Cases are drawn with PROPERTY_SEED=${process.env.PROPERTY_SEED}`);
}

async function createTemplate(server: LocalPostgres) {
  const sql = postgres(server.adminUrl(), { max: 1, onnotice: () => {} });
  try {
    await sql`create database ${sql(templateDatabase)}`;
    const url = server.adminUrl(templateDatabase);
    await bootstrap(url);
    await migrate(url);
    // A single connection to the template would make every copy of it fail.
    await sql`alter database ${sql(templateDatabase)} with is_template true allow_connections false`;
  } finally {
    await sql.end();
  }
}
