import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBus } from '../../functions/_shared/bus.ts';
import type { PurgeReport } from '../../functions/retention-purge/schema.ts';
import { run } from '../support/command-line.ts';
import { codeBlocks, readPage, sectionOf } from '../support/documents.ts';
import { straightAlarm } from '../support/events.ts';
import { auditDeletes, batchUnderWay, deletedIds } from '../support/purge.ts';
import { range } from '../support/rows.ts';
import { type Started, start, survivorsOf } from '../support/started.ts';
import { until } from '../support/waiting.ts';

interface PurgeAnswer {
  runId: string;
  status: string;
  duplicate: boolean;
  report: PurgeReport;
}

/** Enough for a batch on any machine. */
const budgetMs = 12_000;

let stack: Started;
let keys: Record<'NIGHTSHIFT_HTTP_TOKEN' | 'SUPABASE_SECRET_KEY', string>;
let headers: Record<string, string>;
let sql: postgres.Sql;
/** Of the server, which is gone in the end. */
let dataDirectory: string;

beforeAll(async () => {
  stack = await start(
    [
      '--empty',
      '--twice',
      '--param=schedule-health-check=rate(1 minute)',
      // Once a year, or what runs at two at night would be in the way of these tests.
      '--param=schedule-retention-purge=cron(0 2 1 1 ? *)',
    ],
    {
      NIGHTSHIFT_HTTP_BUDGET_MS: `${budgetMs}`,
      NODE_OPTIONS: `--import=${import.meta.resolve('../support/say-removals.ts')}`,
    },
  );
  // Of this stack, whatever is exported.
  keys = parseEnv(readFileSync(join(stack.root, '.env.local'), 'utf8')) as typeof keys;
  headers = { authorization: `Bearer ${keys.NIGHTSHIFT_HTTP_TOKEN}` };
  sql = postgres(stack.urls.database.href, { max: 1, onnotice() {} });
  await sql`create schema app`;
  const [row] = await sql`show data_directory`;
  dataDirectory = dirname(row?.data_directory);
});
afterAll(async () => {
  await sql?.end();
  await stack?.interrupt();
  if (stack) await rm(stack.root, { recursive: true });
});

const nightshift = (...args: string[]) => run(join(stack.root, 'cli/main.ts'), args);

const purge = (body: object | string, sent = headers) =>
  fetch(new URL('/jobs/retention-purge/runs', stack.urls.functions), {
    method: 'POST',
    headers: sent,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const answered = async (response: Response) => (await response.json()) as PurgeAnswer;

/** The body, if it is a problem with this code and says what to do. */
async function problem(response: Response, code: string): Promise<Record<string, unknown>> {
  const body = (await response.json()) as Record<string, unknown>;
  const status = Number(code.slice('NS'.length));
  expect(body).toMatchObject({
    type: `urn:nightshift:problem:${code}`,
    title: expect.any(String),
    status,
    code,
    hint: expect.any(String),
  });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toMatch('application/problem+json');
  return body;
}

/** A table of which a policy lets the first rows go. */
async function createTable(name: string, { due, kept }: { due: number; kept: number }) {
  await sql.unsafe(`
    create table ${name} (id integer primary key, deleted_at timestamptz);
    create index on ${name} (deleted_at);
    insert into ${name}
    select n, case when n <= ${due} then now() - interval '40 days' - n * interval '1 s' end from generate_series(1, ${due + kept}) n;
    analyze ${name};
    select nightshift.add_retention_policy('${name}', '30 days');`);
}

/** Each batch takes so long that, after one, another might not fit into the budget. */
const slowDown = (table: string) =>
  sql.unsafe(`
    create or replace function app.take_time() returns trigger language plpgsql as $$
    begin perform pg_sleep(${budgetMs / 5 / 1_000}); return null; end $$;
    create trigger take_time before delete on ${table} execute function app.take_time();`);

const rowsIn = async (table: string) => (await sql`select from ${sql(table)}`).length;

it('starts without the example applications', async () => {
  expect(
    await sql`
      select oid::regclass::text as name from pg_class
      where relkind in ('r', 'p', 'm') and relnamespace = 'public'::regnamespace`,
  ).toEqual([]);
  const { stdout, code } = await nightshift('policies');
  expect(stdout).toMatch(/No retention policies yet[\s\S]*No refresh policies yet/);
  expect(code).toBe(0);
});

it('takes a table of its user, as the readme says', async () => {
  await sql.unsafe(`
    create table public.orders (id integer primary key, deleted_at timestamptz);
    create index on public.orders (deleted_at) where deleted_at is not null;
    insert into public.orders select n, case when n <= 3 then now() - interval '91 days' end from generate_series(1, 10) n;`);
  const application = await mkdtemp(join(tmpdir(), 'nightshift-application-'));
  const looked = await nightshift('init', '--to', application);
  await rm(application, { recursive: true });
  expect(looked.stderr).toContain(
    `Database: the local stack, ${stack.urls.database.host}/postgres`,
  );
  expect(looked.stdout).toMatch(/public\.orders[\s\S]*Tonight: 3 of 10 rows/);
  await sql`select nightshift.add_retention_policy('public.orders', '90 days')`;
  const { stdout, code } = await nightshift('run', 'retention-purge', '--only', 'orders');
  expect(stdout).toMatch(/public\.orders .* 3 .* succeeded/);
  expect(code).toBe(0);
  expect(await sql`select count(*)::integer as n from public.orders`).toEqual([{ n: 7 }]);
});

it('has the first soft delete of its user, as docs/soft-delete.md says', async () => {
  const section = sectionOf(readPage('docs/soft-delete.md'), 'The first one, in three minutes');
  const [tables = ''] = codeBlocks(section, 'sql');
  const [script = ''] = codeBlocks(section, 'js');
  await sql.unsafe(tables);
  let operation = '';
  for (const line of codeBlocks(section, 'sh').join('').trim().split('\n')) {
    const [, args] = /^npm run nightshift -- (.*)$/.exec(line) ?? [];
    if (args === undefined) {
      const file = join(stack.root, 'first.mjs');
      await writeFile(file, script);
      const settings = parseEnv(await readFile(join(stack.root, '.env.local'), 'utf8'));
      const { stdout, stderr } = await run(file, [], settings as Record<string, string>);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/active: \[\],\s+deleted: \[\s+\{ id: 1[\s\S]*\{ id: 2/);
      operation = /operation: '([^']+)'/.exec(stdout)?.[1] ?? '';
      continue;
    }
    const { stderr, code } = await nightshift(...args.replace('<operation>', operation).split(' '));
    expect(code, `${line}: ${stderr}`).toBe(0);
  }
  expect(await sql`select count(*)::integer as n from public.active_books`).toEqual([{ n: 2 }]);
});

describe('a run over HTTP', () => {
  it.each<[code: string, why: string, body: object | string, sent?: Record<string, string>]>([
    ['NS400', 'a body that is not JSON', '{'],
    ['NS401', 'no token', {}, {}],
    ['NS401', 'another token', {}, { authorization: 'Bearer another' }],
    ['NS404', 'a table that has no policy', { only: ['app.nothing'] }],
    ['NS413', 'a body of more than 64 KB', { only: ['a'.repeat(64 * 1024)] }],
    ['NS422', 'an input that it does not know', { dryRum: true }],
  ])('answers %s to %s', async (code, _why, body, sent) => {
    const response = await purge(body, sent);
    const { runId } = await problem(response, code);
    expect(response.headers.get('www-authenticate')).toBe(code === 'NS401' ? 'Bearer' : null);
    // What is not a request does not become a run.
    expect(runId).toBeUndefined();
  });

  it('answers 200, once for each idempotency key', async () => {
    await createTable('app.notes', { due: 20, kept: 80 });
    const keyed = { ...headers, 'idempotency-key': 'tonight' };
    const first = await purge({ only: ['app.notes'] }, keyed);
    expect(first.status).toBe(200);
    const done = await answered(first);
    expect(done).toMatchObject({
      status: 'succeeded',
      duplicate: false,
      report: { rowsPurged: 20, rowsLeft: 0 },
    });

    const second = await purge({ only: ['app.notes'] }, keyed);
    expect(second.status).toBe(200);
    expect(await answered(second)).toEqual({ ...done, duplicate: true });
    const { detail } = await problem(await purge({ dryRun: true }, keyed), 'NS422');
    expect(detail).toContain(done.runId);
    expect(
      await sql`select id, trigger, status from nightshift.runs where idempotency_key = 'tonight'`,
    ).toEqual([{ id: done.runId, trigger: 'http', status: 'succeeded' }]);
  });

  it('answers 404 on a route that there is not', async () => {
    for (const path of ['/jobs/nothing/runs', '/']) {
      const response = await fetch(new URL(path, stack.urls.functions), {
        method: 'POST',
        headers,
      });
      expect(response.status).toBe(404);
    }
  });

  it('answers 409 while another run holds the lease, and says which', async () => {
    const [row] = await sql`select nightshift.begin_run('retention-purge', 'cli') -> 'run' as run`;
    try {
      const { detail } = await problem(await purge({}), 'NS409');
      expect(detail).toContain(row?.run.id);
    } finally {
      await sql`select nightshift.finish_run(${row?.run.id}, ${row?.run.fence}, 'succeeded')`;
    }
  });

  it('answers 428 when more would go than a policy allows, unless it is meant', async () => {
    await createTable('app.carts', { due: 600, kept: 400 });
    const { title, detail } = await problem(await purge({ only: ['app.carts'] }), 'NS428');
    expect(`${title} ${detail}`).toMatch(
      /app\.carts: at least 600 of 1000 rows would go .* It was left alone/,
    );
    expect(await rowsIn('app.carts')).toBe(1000);
    expect((await purge({ only: ['app.carts'], force: ['app.carts'] })).status).toBe(200);
    expect(await rowsIn('app.carts')).toBe(400);
  });

  it('answers 428 while Nightshift is paused, and says why it is', async () => {
    await sql`select nightshift.pause('moving house')`;
    try {
      const { title } = await problem(await purge({}), 'NS428');
      expect(title).toContain('moving house');
    } finally {
      await sql`select nightshift.unpause()`;
    }
  });
});

it('tells its health in a word to anybody, and in full to who has the token', async () => {
  const ask = (sent: Record<string, string>) =>
    fetch(new URL('/health', stack.urls.functions), { headers: sent });
  const known = await ask(headers);
  const stranger = await ask({});
  const health = (await known.json()) as { status: string };
  expect(health).toMatchObject({
    status: expect.stringMatching(/^(ok|warning|critical)$/),
    database: { reachable: true, serverVersion: expect.any(String) },
    checks: expect.arrayContaining([expect.objectContaining({ name: 'connections' })]),
  });
  expect(await stranger.json()).toEqual({ status: health.status });
  for (const { status } of [stranger, known]) {
    expect(status).toBe(health.status === 'critical' ? 503 : 200);
  }
  await problem(await ask({ authorization: 'Bearer another' }), 'NS401');
});

it('goes on over the bus with what the budget was too short for, each row once, whatever comes twice or out of order', async () => {
  const due = 2_500;
  await createTable('app.orders', { due, kept: due });
  await slowDown('app.orders');
  await auditDeletes(sql, 'app.orders');

  const response = await purge({ only: ['app.orders'] });
  const { runId, status, report } = await answered(response);
  expect([response.status, status]).toEqual([202, 'continued']);
  expect(report.rowsPurged).toBeGreaterThan(0);
  expect(report.rowsPurged).toBeLessThan(due);
  await sql`drop trigger take_time on app.orders`;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new EventBridgeClient({
    endpoint: stack.urls.bus.href,
    region: 'local',
    credentials,
  });
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
  await stack.seen(new RegExp(`nightshift.run.finished .*${runId}.*"status":"succeeded"`));
  expect(await replay([2, 1, 3])).toEqual([]);
  // The function's own event and six of these, each delivered twice.
  await stack.seen(/to retention-purge: done/, 14);

  expect(await deletedIds(sql)).toEqual(range(1, due));
  expect(await rowsIn('app.orders')).toBe(due);
  expect(
    await sql`
    select status, attempt, report ->> 'rowsPurged' as purged from nightshift.runs
    where job = 'retention-purge' and input -> 'only' ? 'app.orders'`,
  ).toEqual([{ status: 'succeeded', attempt: 2, purged: `${due}` }]);
  const published = [...stack.output().matchAll(/^Event nightshift\.run\.(\w+) (.*)$/gm)]
    .filter(([, , detail]) => detail?.includes(runId))
    .map(([, type]) => type);
  expect(published.filter((type) => type === 'finished')).toHaveLength(1);
  expect(published.filter((type) => type === 'continue')).toHaveLength(1 + 6);
  expect(published).not.toContain('failed');
});

it('purges when an alarm goes off, once however often it is told, and not when the alarm is over', async () => {
  await createTable('app.logs', { due: 20, kept: 80 });
  const tell = async (state: 'ALARM' | 'OK') => {
    const path = '/2015-03-31/functions/nightshift-local-retention-purge/invocations';
    const body = JSON.stringify(straightAlarm(state));
    const response = await fetch(new URL(path, stack.urls.lambda), { method: 'POST', body });
    expect(response.headers.get('x-amz-function-error')).toBeNull();
    return (await response.json()) as { id?: string; ignored?: string };
  };
  const runs = () =>
    sql`select id, job, requested_by, finished_at is not null as finished from nightshift.runs where trigger = 'alarm'`;

  expect(await tell('OK')).toEqual({ ignored: 'alarm soft-deletes-piling-up is OK' });
  expect(await runs()).toEqual([]);
  expect(await rowsIn('app.logs')).toBe(100);

  const [first, second] = await Promise.all([tell('ALARM'), tell('ALARM')]);
  expect(second.id).toBe(first.id);
  expect(await runs()).toEqual([
    {
      id: first.id,
      job: 'retention-purge',
      requested_by: 'soft-deletes-piling-up',
      finished: true,
    },
  ]);
  expect(await rowsIn('app.logs')).toBe(80);
});

it('runs on schedule, asked by nobody', async () => {
  // Twice, of which one finds the run of the other.
  await stack.seen(/Schedule schedule-health-check: done/, 2);
  const runs = await sql`
    select trigger, requested_by, status, input -> 'quick' as quick from nightshift.runs where job = 'health-check'`;
  expect(runs).toContainEqual({
    trigger: 'schedule',
    requested_by: 'local:schedule/schedule-health-check',
    status: 'succeeded',
    quick: true,
  });
});

it('is quiet, one line a run', () => {
  expect(stack.output()).toMatch(/^retention-purge: Run succeeded \([0-9a-f]{8}\)$/m);
  expect(stack.output()).not.toMatch(/"_aws"|Server ready/);
});

it('refuses a second one in the same checkout, and leaves the settings of the first', async () => {
  const second = spawnSync(process.execPath, ['infra/local/start.ts'], {
    cwd: stack.root,
    encoding: 'utf8',
  });
  expect(second.stderr).toMatch(/npm start runs in this checkout already: process \d+/);
  expect(second.status).toBe(1);
  expect(parseEnv(readFileSync(join(stack.root, '.env.local'), 'utf8'))).toEqual(keys);
});

it('leaves no process, port or file behind after Ctrl-C in the middle of a run, and has shown no key', async () => {
  await createTable('app.files', { due: 2_500, kept: 2_500 });
  await slowDown('app.files');
  const processes = await stack.processes();
  // Postgres with its own, and the functions with their compiler.
  expect(processes.length).toBeGreaterThan(3);
  const cutOff = purge({ only: ['app.files'] }).catch(() => {});
  await until('a batch is under way', () => batchUnderWay(sql));
  await sql.end();

  expect(await stack.interrupt()).toBe(0);
  await cutOff;
  await until('no process is left', async () => (await survivorsOf(processes)).length === 0);
  for (const { port } of Object.values(stack.urls)) await expectFree(Number(port));
  const files = [
    join(stack.root, '.env.local'),
    join(stack.root, '.esbuild/local'),
    join(stack.root, '.esbuild/start.lock'),
    dataDirectory,
  ];
  expect(files.filter((file) => existsSync(file))).toEqual([]);
  for (const secret of [keys.NIGHTSHIFT_HTTP_TOKEN, keys.SUPABASE_SECRET_KEY]) {
    expect(secret).toMatch(/.{16}/);
    expect(stack.output()).not.toContain(secret);
  }
});

it('gives the checkout back when nothing else is left of it', async () => {
  await until('all is said', async () => stack.output().includes('start.lock'));
  const removed = [...stack.output().matchAll(/^removes (.*)$/gm)].map(([, path]) => path);
  expect(removed).toContain(dataDirectory);
  expect(removed.slice(-3)).toEqual(
    ['.env.local', '.esbuild/local', '.esbuild/start.lock'].map((path) => join(stack.root, path)),
  );
});

/** That we can listen on the port shows that nobody else does. */
async function expectFree(port: number) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
}
