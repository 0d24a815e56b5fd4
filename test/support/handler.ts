import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import type { ErrorDocument } from '../../functions/_shared/errors.ts';
import type { RunDocument } from '../../functions/_shared/ledger.ts';
import type { JobName } from '../../functions/registry.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import type { Gateway } from '../../infra/local/gateway.ts';
import { createDatabase, startAfresh, type TestDatabase } from './database.ts';
import { busName, startTestBus, type TestBus } from './event-bus.ts';
import { httpRequest, lambdaContext } from './events.ts';
import { auditDeletes } from './purge.ts';

export const token = 'open-sesame-7f3a';

type Environment = Record<string, string | undefined>;
type Handler = ReturnType<typeof import('../../functions/_shared/lambda.ts').createHandler>;

export type PurgeRun = RunDocument & { report: PurgeReport };

const slowBatchMs = 650;

let instances = 0;

/** A row of the ledger, as it is in the table. */
interface LedgerRun {
  id: string;
  status: string;
  trigger: string;
  requested_by: string;
  attempt: number;
  cancel_requested_at: unknown;
  report: PurgeReport;
  error: ErrorDocument;
}

interface Fill {
  /** The rows from 1 to `due` are due, the last of them since the longest; `fresh` more are not. */
  due?: number;
  fresh?: number;
  /** In every row. */
  note?: string;
}

/**
 * The function as it is deployed, before a database and a bus of its own: for each test an empty schema app and a new
 * instance. What `settings` says is in the environment of every instance.
 */
export function setUpHandler(settings: Environment = {}, job: JobName = 'retention-purge') {
  let db: TestDatabase;
  let gateway: Gateway;
  let bus: TestBus;
  let handler: Handler;

  beforeAll(async () => {
    [db, bus] = await Promise.all([createDatabase(), startTestBus()]);
    gateway = await db.gateway();
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await Promise.all([db.drop(), bus.close()]);
  });
  beforeEach(async () => {
    await startAfresh(db.sql);
    bus.reset();
    await coldStart();
  });
  afterEach(speedUp);

  /** A new instance of the function, which reads its settings once. */
  async function coldStart(overrides: Environment = {}) {
    vi.unstubAllEnvs();
    const environment: Environment = {
      SUPABASE_URL: gateway.url,
      SUPABASE_SECRET_KEY: gateway.secretKey,
      NIGHTSHIFT_HTTP_TOKEN: token,
      NIGHTSHIFT_STATUS_TOKEN: undefined,
      NIGHTSHIFT_EVENT_BUS: busName,
      NIGHTSHIFT_HTTP_BUDGET_MS: undefined,
      NIGHTSHIFT_DATABASE_URL: undefined,
      AWS_ENDPOINT_URL_EVENTBRIDGE: bus.url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      POWERTOOLS_LOG_LEVEL: 'DEBUG',
      POWERTOOLS_DEV: undefined,
      POWERTOOLS_METRICS_DISABLED: undefined,
      ...settings,
      ...overrides,
    };
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    // What an instance knows, its handler does; the modules below it are loaded once.
    instances += 1;
    ({ handler } = await import(`../../functions/${job}/handler.ts?instance=${instances}`));
  }

  async function call(options: Parameters<typeof httpRequest>[0] = {}, context = lambdaContext()) {
    const path = `/jobs/${job}/runs`;
    const answer = await handler(httpRequest({ token, path, ...options }), context);
    const { statusCode, headers, body } = answer as APIGatewayProxyStructuredResultV2;
    return { statusCode, headers, body: JSON.parse(body ?? '') as Record<string, unknown> };
  }

  /** As a browser asks: what it sends is no JSON, and neither is the answer. */
  async function browse(options: Parameters<typeof httpRequest>[0]) {
    const answer = await handler(httpRequest(options), lambdaContext());
    const { statusCode, headers = {}, body } = answer as APIGatewayProxyStructuredResultV2;
    return { statusCode, headers: headers as Record<string, string>, body: body ?? '' };
  }

  /** Any event but HTTP. */
  async function send(event: unknown, context = lambdaContext()) {
    return (await handler(event, context)) as PurgeRun;
  }

  /** A table with a policy of 30 days, whose deletes are audited. */
  async function fill(relation: string, { due = 10, fresh = 20, note = '' }: Fill = {}) {
    await db.sql.unsafe(`
      create table ${relation} (id integer primary key, note text not null, deleted_at timestamptz);
      create index on ${relation} (deleted_at);
      insert into ${relation}
      select n, '${note}', now() - case when n <= ${due} then interval '40 days' else interval '3 days' end - n * interval '1 s'
      from generate_series(1, ${due + fresh}) n;
      analyze ${relation};
      select nightshift.add_retention_policy('${relation}', '30 days');
    `);
    await auditDeletes(db.sql, relation);
  }

  /** A trigger of the application, with the row at hand as `old`. */
  async function onDelete(relation: string, body: string) {
    await db.sql.unsafe(`
      create function app.on_delete() returns trigger language plpgsql as $$
      begin ${body}; return old; end $$;
      create trigger on_delete before delete on ${relation}
      for each row execute function app.on_delete();
    `);
  }

  /**
   * The clock stands still but for 0.65 s with each batch, whose answer says that it took so long. One batch uses up a
   * budget of 4 s: the next, four times slower, might not fit.
   */
  function slowDown() {
    const { fetch } = globalThis;
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
      const response = await fetch(...request);
      if (!response.ok || !String(request[0]).endsWith('/rpc/purge_batch')) return response;
      vi.advanceTimersByTime(slowBatchMs);
      return Response.json({ ...(await response.json()), durationMs: slowBatchMs });
    });
  }

  function speedUp() {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  }

  async function runs(key?: string) {
    return db.sql<LedgerRun[]>`
      select id, status, trigger, requested_by, attempt, cancel_requested_at, report, error from nightshift.runs
      where ${key === undefined ? db.sql`true` : db.sql`idempotency_key = ${key}`} order by fence`;
  }

  return {
    get db() {
      return db;
    },
    get sql() {
      return db.sql;
    },
    get gateway() {
      return gateway;
    },
    get bus() {
      return bus;
    },
    get handler() {
      return handler;
    },
    coldStart,
    call,
    browse,
    send,
    fill,
    onDelete,
    slowDown,
    speedUp,
    runs,
    runOf: async (id: unknown) => (await runs()).find((run) => run.id === id),
    countRuns: async () => (await runs()).length,
  };
}

/** An invocation with 4 s to work in, when what the function keeps back is gone. */
export const shortOfTime = () => lambdaContext({ remainingMs: 6_000 });

/** Loses the first answer of an RPC, after Postgres has committed it. */
export function loseAnswerOf(name: string) {
  const { fetch } = globalThis;
  let lost = false;
  vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
    const response = await fetch(...request);
    if (lost || !String(request[0]).endsWith(`/rpc/${name}`)) return response;
    lost = true;
    throw new TypeError('fetch failed');
  });
}

/** Cloudflare answers in the place of an RPC, `times` times, though Postgres has committed each call. */
export function standBefore(name: string, times: number) {
  const { fetch } = globalThis;
  let left = times;
  vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
    const response = await fetch(...request);
    if (left === 0 || !String(request[0]).endsWith(`/rpc/${name}`)) return response;
    left -= 1;
    return new Response('<html><body>522: Connection timed out</body></html>', { status: 522 });
  });
}
