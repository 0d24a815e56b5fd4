import postgres from 'postgres';
import { createRpc } from '../../functions/_shared/rpc.ts';
import { type HealthDocument, healthDocument } from '../../functions/health-check/schema.ts';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { httpRequest, lambdaContext } from '../support/events.ts';
import { percentile, round, timed } from './measure.ts';
import { benchTakingStatus } from './status.ts';

const tables = 2_000;
const indexesOfTable = 10;
/** Odd, so that a median is one of the values. */
const rounds = 9;
const slowest = 5;
const requests = 300;
/** The handler reads it once. */
const token = crypto.randomUUID();
const noDeadline = { remainingMs: () => Number.POSITIVE_INFINITY };

interface HealthFigures {
  tables: number;
  indexes: number;
  checks: number;
  checksThatCouldNotRun: string;
  findings: number;
  allChecksMs: number;
  allChecksMaxMs: number;
  quickChecksMs: number;
  getHealthP50Ms: number;
  getHealthP99Ms: number;
  takeStatusMs: number;
  statusKilobytes: number;
  getStatusP50Ms: number;
  getStatusP99Ms: number;
  getPageP50Ms: number;
  getPageP99Ms: number;
  pageKilobytes: number;
  slowestChecks: string;
}

/** All checks in one call over the Data API, on a catalog as large as that of a product with many tenants or years. */
export async function benchHealth(say: (text: string) => void): Promise<HealthFigures> {
  say(`creating ${tables.toLocaleString('en')} tables with ${indexesOfTable} indexes each`);
  const stack = await startStack({ setUp: createTables });
  try {
    const rpc = createRpc({ url: stack.gatewayUrl, secretKey: stack.secretKey }, noDeadline);
    const measure = async (quick: boolean) => {
      const documents: HealthDocument[] = [];
      const ms: number[] = [];
      // The first only warms.
      for (let n = 0; n <= rounds; n++) {
        let document: HealthDocument | undefined;
        const elapsedMs = await timed(async () => {
          document = await rpc.call('get_health', { quick }, healthDocument);
        });
        if (n === 0 || !document) continue;
        ms.push(elapsedMs);
        documents.push(document);
      }
      return { documents, ms };
    };
    say(`${rounds} rounds of all checks, and of the quick ones`);
    const all = await measure(false);
    const quick = await measure(true);
    const health = await measureHandler(stack, '/health', say);
    // Last, since what it fills is no part of the figures above.
    const status = await benchTakingStatus(stack, rpc, say);
    const page = await measureHandler(stack, '/status', say);
    return {
      tables,
      indexes: tables * indexesOfTable,
      ...figures(all),
      quickChecksMs: round(percentile(quick.ms, 0.5)),
      ...named('Health', health),
      ...status,
      ...named('Status', await measureHandler(stack, '/status.json', say)),
      ...named('Page', page),
      pageKilobytes: round(page.bytes / 1024),
    };
  } finally {
    await stack.stop();
  }
}

function named<Of extends string>(of: Of, { p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) {
  return { [`get${of}P50Ms`]: p50Ms, [`get${of}P99Ms`]: p99Ms } as Record<
    `get${Of}P50Ms` | `get${Of}P99Ms`,
    number
  >;
}

/** A request as the deployed function answers it, on the same catalog; only API Gateway is missing. */
async function measureHandler(
  { gatewayUrl, secretKey }: Stack,
  path: string,
  say: (text: string) => void,
) {
  say(`${requests} requests of GET ${path}`);
  Object.assign(process.env, {
    SUPABASE_URL: gatewayUrl,
    SUPABASE_SECRET_KEY: secretKey,
    NIGHTSHIFT_HTTP_TOKEN: token,
  });
  const { handler } = await import('../../functions/health-check/handler.ts');
  const request = httpRequest({ method: 'GET', path, token });
  const ms: number[] = [];
  let bytes = 0;
  for (let n = 0; n <= requests; n++) {
    const elapsedMs = await timed(async () => {
      const { statusCode, body } = (await handler(request, lambdaContext())) as {
        statusCode: number;
        body: string;
      };
      bytes = Buffer.byteLength(body);
      if (statusCode !== 200) throw new Error(`GET ${path} answered ${statusCode}.`);
    });
    // The first only warms.
    if (n > 0) ms.push(elapsedMs);
  }
  return {
    p50Ms: round(percentile(ms, 0.5)),
    p99Ms: round(percentile(ms, 0.99)),
    bytes,
  };
}

function figures({ documents, ms }: { documents: HealthDocument[]; ms: number[] }) {
  const checks = documents.at(-1)?.checks ?? [];
  const durationMs = (name: string) =>
    percentile(
      documents.flatMap((document) =>
        document.checks.filter((check) => check.name === name).map((check) => check.durationMs),
      ),
      0.5,
    );
  const byDuration = checks
    .map(({ name }) => ({ name, ms: durationMs(name) }))
    .toSorted((a, b) => b.ms - a.ms);
  const unknown = checks.filter(({ level }) => level === 'unknown').map(({ name }) => name);
  return {
    checks: checks.length,
    checksThatCouldNotRun: [...unknown, ...(documents.at(-1)?.notRun ?? [])].join(', ') || 'none',
    findings: checks.reduce((sum, { findingsTotal }) => sum + findingsTotal, 0),
    allChecksMs: round(percentile(ms, 0.5)),
    allChecksMaxMs: round(Math.max(...ms)),
    slowestChecks: byDuration
      .slice(0, slowest)
      .map(({ name, ms }) => `${name} ${ms} ms`)
      .join('\n'),
  };
}

/** One table in ten has an index that repeats another, one in twenty a foreign key without one. */
async function createTables(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice() {} });
  try {
    await sql.unsafe(`
      create schema app;
      create table app.parent (id bigint primary key);
      insert into app.parent select n from generate_series(1, 20) n;
    `);
    // A table a transaction: all at once would need more locks than there are.
    await sql.unsafe(`
      do $$
      begin
        for n in 1..${tables} loop
          execute format('create table app.t_%s (id bigint generated always as identity primary key, parent_id bigint references app.parent,
            a integer, b integer, c text, d timestamptz, e jsonb, deleted_at timestamptz)', n);
          execute format('insert into app.t_%s (parent_id, a, b, c, d, e) select i, i, i, i, now(), ''{}'' from generate_series(1, 20) i', n);
          execute format('create index on app.t_%s (%s)', n, case when n % 20 = 0 then 'd, c' else 'parent_id' end);
          execute format('create index on app.t_%s (%s)', n, case when n % 10 = 0 then 'b' else 'a' end);
          execute format('create index on app.t_%1$s (b, a); create index on app.t_%1$s (c); create index on app.t_%1$s (d);
            create index on app.t_%1$s (lower(c)); create index on app.t_%1$s (deleted_at) where deleted_at is not null;
            create index on app.t_%1$s using gin (e); create unique index on app.t_%1$s (a, d, c)', n);
          commit;
        end loop;
      end $$;
    `);
    await sql`vacuum analyze`;
  } finally {
    await sql.end();
  }
}
