import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createBus } from '../../functions/_shared/bus.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import { auditDeletes, deletedIds, range } from '../support/purge.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface PurgeAnswer {
  runId: string;
  status: string;
  report: PurgeReport;
}

let child: ChildProcess;
let output = '';
let databaseUrl: URL;
let functionsUrl: URL;
let busUrl: URL;
let headers: Record<string, string>;
let sql: postgres.Sql;

/** Waits until the output has so many places that match. */
function seen(pattern: RegExp, times = 1): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if ([...output.matchAll(new RegExp(pattern, 'g'))].length < times) return;
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
      resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('exit', () => reject(new Error(output)));
    look();
  });
}

beforeAll(async () => {
  child = spawn(process.execPath, ['infra/local/start.ts', '--twice'], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', NIGHTSHIFT_HTTP_BUDGET_MS: '3000' },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  await seen(/Ctrl-C stops/);
  const urlOf = (label: string) =>
    new URL(new RegExp(`${label} +(\\w+://[^\\s,]+)`).exec(output)?.[1] ?? '');
  [databaseUrl, functionsUrl, busUrl] = [urlOf('Postgres'), urlOf('Functions'), urlOf('Event bus')];
  process.loadEnvFile(`${root}.env.local`);
  headers = { authorization: `Bearer ${process.env.NIGHTSHIFT_HTTP_TOKEN}` };
  sql = postgres(databaseUrl.href, { max: 1, onnotice() {} });
}, 90_000);
afterAll(async () => {
  await sql?.end();
  child.kill('SIGKILL');
});

const purge = (body: object | string, asked = headers) =>
  fetch(new URL('/jobs/retention-purge/runs', functionsUrl), {
    method: 'POST',
    headers: asked,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

it('serves the functions over HTTP', async () => {
  expect((await purge('', {})).status).toBe(401);
  const malformed = await purge('{');
  expect(malformed.status).toBe(400);
  expect(malformed.headers.get('content-type')).toMatch('application/problem+json');
  const response = await purge({ only: ['public.user_targets'] });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: 'succeeded', report: { rowsLeft: 0 } });
  expect(
    await sql`select trigger, status from nightshift.runs where job = 'retention-purge'`,
  ).toEqual([{ trigger: 'http', status: 'succeeded' }]);
}, 60_000);

it('goes on over the bus with what a budget of 3 s was too short for, each row once, whatever comes twice or out of order', async () => {
  const due = 2_500;
  await sql.unsafe(`
    create schema app;
    create table app.orders (id integer primary key, deleted_at timestamptz);
    create index on app.orders (deleted_at);
    insert into app.orders
    select n, case when n <= ${due} then now() - interval '40 days' - n * interval '1 s' end from generate_series(1, ${2 * due}) n;
    analyze app.orders;
    select nightshift.add_retention_policy('app.orders', '30 days');
    create function app.take_time() returns trigger language plpgsql as $$
    begin perform pg_sleep(0.6); return null; end $$;
    create trigger take_time before delete on app.orders execute function app.take_time();`);
  await auditDeletes(sql, 'app.orders');

  const response = await purge({ only: ['app.orders'] });
  const { runId, status, report } = (await response.json()) as PurgeAnswer;
  expect([response.status, status]).toEqual([202, 'continued']);
  expect(report.rowsPurged).toBeGreaterThan(0);
  expect(report.rowsPurged).toBeLessThan(due);
  await sql`drop trigger take_time on app.orders`;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new EventBridgeClient({ endpoint: busUrl.href, region: 'local', credentials });
  const bus = createBus('nightshift-local', client);
  const replay = (attempts: number[]) =>
    bus.publish(
      attempts.map((attempt) => ({
        type: 'nightshift.run.continue',
        detail: { version: 1, job: 'retention-purge', runId, attempt },
      })),
      4_000,
    );

  expect(await replay([3, 2, 1])).toEqual([]);
  await seen(new RegExp(`nightshift.run.finished .*${runId}.*"status":"succeeded"`));
  expect(await replay([2, 1, 3])).toEqual([]);
  // The function's own event and six of these, each delivered twice.
  await seen(/to nightshift-local-retention-purge: 200/, 14);

  expect(await deletedIds(sql)).toEqual(range(1, due));
  expect(await sql`select count(*)::integer as n from app.orders`).toEqual([{ n: due }]);
  expect(
    await sql`
    select status, attempt, report ->> 'rowsPurged' as purged from nightshift.runs
    where job = 'retention-purge' and input -> 'only' ? 'app.orders'`,
  ).toEqual([{ status: 'succeeded', attempt: 2, purged: `${due}` }]);
  const published = [...output.matchAll(/^Event nightshift\.run\.(\w+) (.*)$/gm)]
    .filter(([, , detail]) => detail?.includes(runId))
    .map(([, type]) => type);
  expect(published.filter((type) => type === 'finished')).toHaveLength(1);
  expect(published.filter((type) => type === 'continue')).toHaveLength(1 + 6);
  expect(published).not.toContain('failed');
}, 60_000);

it('leaves nothing behind after Ctrl-C', async () => {
  await sql.end();
  child.kill('SIGINT');
  await once(child, 'exit');
  expect(existsSync(`${root}.env.local`)).toBe(false);
  for (const { port } of [databaseUrl, functionsUrl, busUrl]) await expectFree(Number(port));
}, 60_000);

/** That we can listen on the port shows that nobody else does. */
async function expectFree(port: number) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
}
