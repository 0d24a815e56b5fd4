import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { serve } from '@hono/node-server';
import {
  type ApiKeyType,
  App,
  type ConnectionContextOptions,
  type ServerOptions,
  type VarsContext,
} from '@supabase/lite';
import { PostgresConnection } from '@supabase/lite/postgres';
import { verify } from 'hono/jwt';
import postgres from 'postgres';

export interface GatewaySettings {
  databaseUrl: string;
  schemas: string[];
  /** Reads the schema again when it is told to, over a connection that stays open. */
  reloads: boolean;
  publishableKey: string;
  secretKey: string;
  jwtSecret: string;
}

export interface GatewayRequest {
  settings: GatewaySettings;
  channel: MessagePort;
}

/** The port that it listens on, or why it does not. Whatever is said to it after that closes it. */
export type GatewayAnswer = { port: number } | { error: unknown };

type Database = Parameters<Parameters<PostgresConnection['withContext']>[1]>[0];
type Client = PostgresConnection['driver'];
type Rpc = NonNullable<ConnectionContextOptions['rpc']>;
type Middleware = NonNullable<ServerOptions['middlewares']>[number];
type Introspection = Awaited<ReturnType<PostgresConnection['introspect']>>;

interface DatabaseError extends Error {
  code: string;
  severity?: string;
  detail?: string;
  hint?: string;
}

/** PostgREST's HTTP status for a SQLSTATE, or else for its class; 400 for all others. */
const SQLSTATES = {
  400: ['P0001'],
  403: ['0L', '0P', '28', '42501'],
  404: ['42883', '42P01'],
  405: ['25006'],
  409: ['23503', '23505'],
  500: '09 21 25 2D 38 39 3B 40 42P17 53400 54 55 57 58 F0 HV P0 XX'.split(' '),
  503: ['08', '53', '57P01'],
};
const HTTP_STATUS = new Map(
  Object.entries(SQLSTATES).flatMap(([status, sqlstates]) =>
    sqlstates.map((sqlstate) => [sqlstate, Number(status)] as const),
  ),
);
const REFUSED = new Set(['ECONNREFUSED', 'CONNECT_TIMEOUT']);
const LOST = new Set(['CONNECTION_CLOSED', 'CONNECTION_DESTROYED', 'ECONNRESET', 'EPIPE']);
const POOL_SIZE = 10;
/** PostgREST up to v14 repeats without limit, also when nobody waits for the answer any more. */
const MAX_SERIALIZATION_RETRIES = 100;

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
  if (LOST.has(code)) {
    const what = 'Database client error. Retrying the connection.';
    return new Answer(503, { code: 'PGRST001', message: what, details: message, hint: null });
  }
  return new Answer(statusOf(error, role), { code, message, details, hint });
}

function statusOf({ code, message }: DatabaseError, role: string): number {
  if (code === '42501' && role === 'anon') return 401;
  // A token with a role that the database does not have.
  if (code === '22023' && /^role .* does not exist$/.test(message)) return 401;
  if (code === '21000' && message.endsWith('requires a WHERE clause')) return 400;
  return HTTP_STATUS.get(code) ?? HTTP_STATUS.get(code.slice(0, 2)) ?? 400;
}

/** An error of Postgres or of the connection to it; the library has errors with a code of its own. */
function isDatabaseError(error: unknown): error is DatabaseError {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return false;
  return error.name === 'PostgresError' || REFUSED.has(error.code) || LOST.has(error.code);
}

/** The server could not be reached, or turned the connection away before any statement of ours. */
function isRefusal({ code, severity }: DatabaseError): boolean {
  return REFUSED.has(code) || (severity === 'FATAL' && /^(28|3D|53300|57P03)/.test(code));
}

class Connection extends PostgresConnection {
  #schema: Introspection;
  readonly #timeouts = new Map<string, string | undefined>();
  readonly #pool: ReturnType<typeof createPool>;

  constructor(url: string, schema: Introspection) {
    super({ url });
    this.#schema = schema;
    Object.assign(this, {
      // The library would grant everything on every schema to every role; here the migrations decide.
      ensureRlsContext: async () => true,
      // Like PostgREST, all settings are made in one statement (see #prepare): the library sends one for each.
      applyJwtSessionContext: async () => {},
      applyRpcRequestGucs: async () => {},
    });
    this.#pool = createPool(url);
    Object.assign(this.driver, { reserve: this.#pool.reserve });
  }

  override async close() {
    await this.#pool.close();
  }

  override async introspect() {
    return this.#schema;
  }

  /** What the database has become. An app that is made from now on serves it. */
  become(schema: Introspection) {
    this.#schema = schema;
    this.#timeouts.clear();
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
    const transaction = () =>
      super.withContext(
        vars,
        async (database) => {
          if (vars) await this.#prepare(database, vars, options?.rpc);
          return run(database);
        },
        options,
      );
    try {
      return await repeated(transaction);
    } catch (error) {
      throw answerTo(error, role);
    }
  }

  async #prepare(database: Database, vars: VarsContext, rpc: Rpc | undefined) {
    const timeout = rpc && (await this.#timeoutOf(database, roleOf(vars), rpc));
    await setLocally(database, {
      ...settingsOf(vars),
      ...(rpc ? requestOf(rpc) : {}),
      ...(timeout === undefined ? {} : { statement_timeout: timeout }),
    });
  }

  /** Like PostgREST: a function's own `set statement_timeout`, else the role's, holds for the transaction. */
  async #timeoutOf(database: Database, role: string, rpc: Rpc): Promise<string | undefined> {
    const headers = rpc.requestHeaders ?? {};
    const schema = headers['content-profile'] ?? headers['accept-profile'] ?? 'public';
    const name = rpc.path.replace('/rpc/', '');
    const key = JSON.stringify([role, schema, name]);
    if (!this.#timeouts.has(key)) {
      this.#timeouts.set(key, await timeoutOf(database, role, schema, name));
    }
    return this.#timeouts.get(key);
  }
}

/** Like PostgREST: what ends in 40001 is begun again at once, whoever raised it. */
async function repeated<T>(transaction: () => Promise<T>): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await transaction();
    } catch (error) {
      if (!isDatabaseError(error) || error.code !== '40001') throw error;
      if (retries === MAX_SERIALIZATION_RETRIES) throw error;
    }
  }
}

/** The library hands JSON arguments over as text already; as text they must reach the server, not encoded twice. */
const JSON_AS_IT_IS = {
  json: { to: 114, from: [114], serialize: String, parse: (text: string) => JSON.parse(text) },
  jsonb: { to: 3802, from: [3802], serialize: String, parse: (text: string) => JSON.parse(text) },
};

/**
 * Stands in for the pool of postgres.js: after the loss of a reserved connection its `reserve` crashes, and
 * the error that came with the loss is given to whoever queries next.
 */
function createPool(url: string) {
  const connect = () =>
    new PostgresConnection({ url, postgresOptions: { max: 1, types: JSON_AS_IT_IS } }).driver;
  const idle = Array.from({ length: POOL_SIZE }, connect);
  const clients = new Set(idle);
  const waiting: ((client: Client) => void)[] = [];

  async function reserve() {
    const client = idle.pop() ?? (await new Promise<Client>((resolve) => waiting.push(resolve)));
    let lost: unknown;
    return {
      // What is left of a transaction must not run on the connection that replaces the lost one.
      unsafe: async (...query: Parameters<Client['unsafe']>) => {
        if (lost) throw lost;
        try {
          return await client.unsafe(...query);
        } catch (error) {
          if (isDatabaseError(error) && error.severity !== 'ERROR') lost = error;
          throw error;
        }
      },
      release: () => giveBack(lost ? replace(client) : client),
    };
  }

  function giveBack(client: Client) {
    const next = waiting.shift();
    if (next) next(client);
    else idle.push(client);
  }

  function replace(broken: Client): Client {
    const client = connect();
    clients.delete(broken);
    clients.add(client);
    broken.end({ timeout: 0 });
    return client;
  }

  const close = () => Promise.all([...clients].map((client) => client.end({ timeout: 1 })));
  return { reserve, close };
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

/** Until the transaction ends. */
async function setLocally(database: Database, settings: Record<string, string>) {
  await database
    .selectNoFrom(({ fn, val }) =>
      Object.entries(settings).map(([name, value]) =>
        fn('set_config', [val(name), val(value), val(true)]).as(name),
      ),
    )
    .execute();
}

interface Auth {
  role?: unknown;
  uid?: unknown;
  jwt?: unknown;
}

const authOf = (vars: VarsContext | undefined): Auth => vars?.auth ?? {};

function roleOf(vars: VarsContext | undefined): string {
  const { role } = authOf(vars);
  return typeof role === 'string' ? role : 'anon';
}

/** What a session knows of who asks. */
function settingsOf(vars: VarsContext): Record<string, string> {
  const { uid, jwt } = authOf(vars);
  const role = roleOf(vars);
  return {
    role,
    'request.jwt.claim.sub': String(uid ?? ''),
    'request.jwt.claim.role': role,
    ...(jwt && typeof jwt === 'object' ? { 'request.jwt.claims': JSON.stringify(jwt) } : {}),
  };
}

/** What a function knows of the request that calls it. */
function requestOf({ method, path, requestHeaders = {} }: Rpc): Record<string, string> {
  return {
    'response.status': '',
    'response.headers': '',
    'request.method': method,
    'request.path': path,
    'request.headers': JSON.stringify(requestHeaders),
  };
}

/** As the owner: `authenticator` sees in the information schema only what it may use itself. */
async function introspect(databaseUrl: string): Promise<Introspection> {
  const connection = new PostgresConnection({ url: databaseUrl, postgresOptions: { max: 1 } });
  try {
    await connection.driver`select 1`;
    const schema = await connection.introspect();
    // The library prints what went wrong and answers with an empty schema.
    if (!schema.functions) throw new Error('The schema of the database could not be read.');
    return schema;
  } finally {
    await connection.close();
  }
}

/** One after the other: notify pgrst, 'reload schema'. */
async function onReload(databaseUrl: string, reload: () => Promise<void>) {
  const listener = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  let reloaded = Promise.resolve();
  await listener.listen('pgrst', (message) => {
    if (message !== 'reload schema') return;
    // The schema that it knows stays, as with PostgREST, when the database cannot be read.
    reloaded = reloaded.then(reload).catch(console.error);
  });
  return async () => {
    await listener.end({ timeout: 1 });
    await reloaded;
  };
}

async function claimsOf(
  key: string,
  keys: Omit<GatewaySettings, 'databaseUrl' | 'schemas' | 'reloads'>,
) {
  if (key === keys.secretKey) return { role: 'service_role' };
  if (key === keys.publishableKey) return { role: 'anon' };
  // A legacy key. Any other token, genuine as it may be, is no key.
  const claims = await verify(key, keys.jwtSecret, 'HS256').catch(() => null);
  return claims?.role === 'anon' || claims?.role === 'service_role' ? claims : null;
}

/** The library looks for whoever a token is about among its own users; here it is enough that the token is genuine. */
const acceptAnySubject: Middleware = async (context, next) => {
  const known = async () => ({});
  context.set('authService', { repo: { findUserById: known, findSessionById: known } } as never);
  await next();
};

async function serveGateway({ databaseUrl, schemas, reloads, ...keys }: GatewaySettings) {
  const authenticatorUrl = new URL(databaseUrl);
  authenticatorUrl.username = 'authenticator';
  const connection = new Connection(authenticatorUrl.href, await introspect(databaseUrl));
  const createApp = () =>
    new App({
      connection,
      api: { schemas, max_rows: 1_000 },
      auth: { enabled: false, jwt_secret: keys.jwtSecret },
      options: {
        server: {
          disableStudio: true,
          disableFallback: true,
          apiKeys: { resolver: resolveKey },
          middlewares: [acceptAnySubject],
        },
      },
    });
  let app = createApp();
  const stopListening = reloads
    ? await onReload(databaseUrl, async () => {
        connection.become(await introspect(databaseUrl));
        app = createApp();
      })
    : undefined;

  async function resolveKey(key: string) {
    const claims = await claimsOf(key, keys);
    if (!claims) return null;
    const type: ApiKeyType = claims.role === 'service_role' ? 'secret' : 'publishable';
    return { type, claims };
  }

  const server = serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) =>
      new URL(request.url).pathname.startsWith('/rest/v1/')
        ? app.fetch(request, { peerAddress: null })
        : new Response('Only the Data API is served here.', { status: 404 }),
  });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await stopListening?.();
      await connection.close();
    },
  };
}

// The library prints every database error, and with it the contents of rows.
process.stdout.write = process.stderr.write = () => true;

parentPort?.on('message', async ({ settings, channel }: GatewayRequest) => {
  const answer = (message: GatewayAnswer | 'closed') => channel.postMessage(message);
  try {
    const { port, close } = await serveGateway(settings);
    channel.once('message', async () => {
      await close();
      answer('closed');
    });
    answer({ port });
  } catch (error) {
    answer({ error });
  }
});
