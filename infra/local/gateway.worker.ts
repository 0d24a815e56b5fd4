import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { serve } from '@hono/node-server';
import { App, type ConnectionContextOptions, type VarsContext } from '@supabase/lite';
import { PostgresConnection } from '@supabase/lite/postgres';
import { verify } from 'hono/jwt';

export interface GatewaySettings {
  databaseUrl: string;
  schemas: string[];
  publishableKey: string;
  secretKey: string;
  jwtSecret: string | undefined;
}

type Database = Parameters<Parameters<PostgresConnection['withContext']>[1]>[0];
type Introspection = Awaited<ReturnType<PostgresConnection['introspect']>>;

interface DatabaseError extends Error {
  code: string;
  severity?: string;
  detail?: string;
  hint?: string;
}

/** PostgREST's HTTP status for a SQLSTATE or the beginning of one; the first match decides. */
const HTTP_STATUS: [sqlstate: string, status: number][] = [
  ['08', 503],
  ['09', 500],
  ['0L', 403],
  ['0P', 403],
  ['21000', 500],
  ['23503', 409],
  ['23505', 409],
  ['25006', 405],
  ['25', 500],
  ['28', 403],
  ['2D', 500],
  ['38', 500],
  ['39', 500],
  ['3B', 500],
  ['40', 500],
  ['42501', 403],
  ['42883', 404],
  ['42P01', 404],
  ['42P17', 500],
  ['53400', 500],
  ['53', 503],
  ['54', 500],
  ['55', 500],
  ['57P01', 503],
  ['57', 500],
  ['58', 500],
  ['F0', 500],
  ['HV', 500],
  ['P0001', 400],
  ['P0', 500],
  ['XX', 500],
];
const DEFAULT_STATUS = 400;

/** What the library turns, unchanged, into the response. */
class Answer extends Error {
  readonly code = 'PGRST';
  readonly detail: string;

  constructor(
    status: number,
    body: Record<'code' | 'message' | 'details' | 'hint', string | null>,
  ) {
    super(JSON.stringify(body));
    this.detail = JSON.stringify({ status, headers: {} });
  }
}

function answerTo(error: unknown, role: string): unknown {
  if (!isDatabaseError(error)) return error;
  const { code, message, detail: details = null, hint = null } = error;
  if (code.startsWith('PT') || code === 'PGRST') return error;
  if (isRefusal(error)) {
    const what = 'Database connection error. Retrying the connection.';
    return new Answer(503, { code: 'PGRST000', message: what, details: message, hint: null });
  }
  if (code.includes('_')) {
    const what = 'Database client error. Retrying the connection.';
    return new Answer(503, { code: 'PGRST001', message: what, details: message, hint: null });
  }
  return new Answer(statusOf(error, role), { code, message, details, hint });
}

function statusOf({ code, message }: DatabaseError, role: string): number {
  if (code === '42501' && role === 'anon') return 401;
  if (code === '21000' && message.endsWith('requires a WHERE clause')) return 400;
  return HTTP_STATUS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? DEFAULT_STATUS;
}

function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

/** The server could not be reached, or turned the connection away before any statement of ours. */
function isRefusal({ code, severity }: DatabaseError): boolean {
  if (['ECONNREFUSED', 'CONNECT_TIMEOUT'].includes(code)) return true;
  return severity === 'FATAL' && /^(28|3D|53300|57P03)/.test(code);
}

class Connection extends PostgresConnection {
  readonly #schema: Introspection;
  readonly #timeouts = new Map<string, string | undefined>();

  constructor(url: string, schema: Introspection) {
    super({ url, postgresOptions: { max: 10, connect_timeout: 5, backoff: () => 0.05 } });
    this.#schema = schema;
    // The library would grant everything on every schema to every role; here the migrations decide.
    Object.assign(this, { ensureRlsContext: async () => true });
  }

  override async introspect() {
    return this.#schema;
  }

  override normalizeDbError(error: unknown) {
    return answerTo(error, 'service_role');
  }

  override async withContext<T>(
    vars: VarsContext | undefined,
    run: (database: Database) => Promise<T>,
    options?: ConnectionContextOptions,
  ): Promise<T> {
    const role = roleOf(vars);
    try {
      return await super.withContext(
        vars,
        async (database) => {
          if (options?.rpc) await this.#hoistTimeout(database, role, options.rpc);
          return run(database);
        },
        options,
      );
    } catch (error) {
      throw answerTo(error, role);
    }
  }

  /** Like PostgREST: a function's own `set statement_timeout`, else the role's, holds for the transaction. */
  async #hoistTimeout(
    database: Database,
    role: string,
    rpc: NonNullable<ConnectionContextOptions['rpc']>,
  ) {
    const headers = rpc.requestHeaders ?? {};
    const schema = headers['content-profile'] ?? headers['accept-profile'] ?? 'public';
    const name = rpc.path.replace('/rpc/', '');
    const key = JSON.stringify([role, schema, name]);
    if (!this.#timeouts.has(key)) {
      this.#timeouts.set(key, await timeoutOf(database, role, schema, name));
    }
    const timeout = this.#timeouts.get(key);
    if (timeout === undefined) return;
    await database
      .selectNoFrom(({ fn, val }) =>
        fn('set_config', [val('statement_timeout'), val(timeout), val(true)]).as('set_config'),
      )
      .execute();
  }
}

async function timeoutOf(database: Database, role: string, schema: string, name: string) {
  const ofFunction = await database
    .selectFrom('pg_catalog.pg_proc as p')
    .innerJoin('pg_catalog.pg_namespace as n', 'n.oid', 'p.pronamespace')
    .where('n.nspname', '=', schema)
    .where('p.proname', '=', name)
    .select('p.proconfig as settings')
    .execute();
  const ofRole = await database
    .selectFrom('pg_catalog.pg_roles')
    .where('rolname', '=', role)
    .select('rolconfig as settings')
    .execute();
  return [...ofFunction, ...ofRole]
    .flatMap(({ settings }: { settings: string[] | null }) => settings ?? [])
    .find((setting) => setting.startsWith('statement_timeout='))
    ?.slice('statement_timeout='.length);
}

function roleOf(vars: VarsContext | undefined): string {
  const auth = vars?.auth;
  const role = auth && typeof auth === 'object' && 'role' in auth ? auth.role : undefined;
  return typeof role === 'string' ? role : 'anon';
}

/** As the owner: `authenticator` sees in the information schema only what it may use itself. */
async function introspect(databaseUrl: string): Promise<Introspection> {
  const connection = new PostgresConnection({ url: databaseUrl, postgresOptions: { max: 1 } });
  try {
    await connection.driver`select 1`;
    return await connection.introspect();
  } finally {
    await connection.close();
  }
}

async function serveGateway({ databaseUrl, schemas, ...keys }: GatewaySettings) {
  const authenticatorUrl = new URL(databaseUrl);
  authenticatorUrl.username = 'authenticator';
  const connection = new Connection(authenticatorUrl.href, await introspect(databaseUrl));
  const jwtSecret = keys.jwtSecret ?? randomBytes(32).toString('hex');
  const app = new App({
    connection,
    api: { schemas, max_rows: 1_000 },
    auth: { enabled: false, jwt_secret: jwtSecret },
    options: {
      server: { disableStudio: true, disableFallback: true, apiKeys: { resolver: resolveKey } },
    },
  });

  async function resolveKey(key: string) {
    if (key === keys.secretKey)
      return { type: 'secret' as const, claims: { role: 'service_role' } };
    if (key === keys.publishableKey)
      return { type: 'publishable' as const, claims: { role: 'anon' } };
    if (!keys.jwtSecret) return null;
    const claims = await verify(key, keys.jwtSecret, 'HS256').catch(() => null);
    if (!claims) return null;
    return {
      type: claims.role === 'service_role' ? ('secret' as const) : ('publishable' as const),
      claims,
    };
  }

  const server = serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) =>
      new URL(request.url).pathname.startsWith('/rest/v1/')
        ? app.fetch(request, { peerAddress: null })
        : new Response('Only the Data API is served here.', { status: 404 }),
  });
  server.once('listening', () => parentPort?.postMessage((server.address() as AddressInfo).port));

  parentPort?.once('message', async () => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await connection.driver.end({ timeout: 1 });
    process.exit();
  });
}

await serveGateway(workerData);
