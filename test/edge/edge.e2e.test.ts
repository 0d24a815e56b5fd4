import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expireLease } from '../support/database.ts';
import { setUpEdge } from '../support/edge.ts';
import { deletedIds } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';
import { until } from '../support/waiting.ts';

const suite = setUpEdge();
const { boot, booted, fill, jobNames } = suite;

/** Below this a function is pasted and deployed in a moment. The health check has the status as well. */
const maxBytesOf = (job: string) => (job === 'health-check' ? 260 : 200) * 1024;
/** What Supabase allows an isolate. */
const maxCpuSeconds = 2;

const runs = () => suite.sql<Record<string, unknown>[]>`
  select id, status, trigger, attempt, idempotency_key from nightshift.runs order by fence`;
const statusesOf = async (ids: readonly unknown[]) =>
  (await runs()).filter(({ id }) => ids.includes(id)).map(({ status }) => status);

describe('the Edge Functions', () => {
  it.each(jobNames)('of %s is one small file, which imports only what the runtime has', (job) => {
    const folder = join(suite.folder, 'functions', `nightshift-${job}`);
    expect(readdirSync(folder).sort()).toEqual(['deno.json', 'index.ts']);
    const file = join(folder, 'index.ts');
    expect(statSync(file).size).toBeLessThan(maxBytesOf(job));
    const code = readFileSync(file, 'utf8');
    expect([...new Set(code.match(/(?<=\bfrom ?|\bimport ?\(?)"[^"]+"/g))]).toEqual([
      '"node:crypto"',
    ]);
    expect(code).not.toMatch(/aws-sdk|powertools|@supabase\/auth/);
  });

  it.each(jobNames)('%s does its work in the runtime, within its CPU time', async (job) => {
    const { call, cpuSeconds } = await boot(job);
    const { status, body } = await call({ body: {} });
    expect(body).toMatchObject({ status: 'succeeded', duplicate: false });
    expect(status).toBe(200);
    expect(await cpuSeconds()).toBeLessThan(maxCpuSeconds);
  });
});

describe('a run of an Edge Function', () => {
  it('does what its input says, and is in the ledger and in the log', async () => {
    await fill('app.orders');
    await fill('app.logs');
    const { call, log } = await booted();
    const { status, body } = await call({ body: { only: ['app.logs'] } });
    expect(body).toMatchObject({
      report: { rowsPurged: 10, steps: [{ relation: 'app.logs', status: 'succeeded' }] },
    });
    expect(status).toBe(200);
    expect(await idsOf(suite.sql, 'app.logs')).toEqual(range(11, 30));
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
    expect((await runs()).at(-1)).toMatchObject({ id: body.runId, trigger: 'http' });
    expect(log()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ level: 'info', message: 'Run succeeded', runId: body.runId }),
        expect.objectContaining({
          message: 'Figures',
          service: 'retention-purge',
          metrics: expect.objectContaining({ RunSucceeded: [1], RowsPurged: [10] }),
        }),
      ]),
    );
  });

  it('is not done twice for a key that was seen', async () => {
    await fill('app.orders');
    const { call } = await booted();
    const headers = { 'idempotency-key': 'once' };
    const first = await call({ headers });
    const again = await (await boot()).call({ headers });
    expect(first).toMatchObject({ status: 200, body: { duplicate: false } });
    expect(again).toMatchObject({ status: 200, body: { ...first.body, duplicate: true } });
    expect((await runs()).filter((run) => run.idempotency_key === 'once')).toHaveLength(1);
  });

  it('that is out of time is continued by the next, and each row goes once', async () => {
    await fill('app.logs', 400);
    await fill('app.orders', 400);
    const { call } = await boot('retention-purge', { NIGHTSHIFT_HTTP_BUDGET_MS: '6000' });
    const first = await call();
    expect(first).toMatchObject({ status: 202, body: { status: 'continued' } });
    const second = await (await boot()).call();
    expect(second).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    expect(await deletedIds(suite.sql)).toHaveLength(20);
    expect(await idsOf(suite.sql, 'app.orders')).toEqual(range(11, 30));
  });

  it('that was killed is lost, and the next one takes over', async () => {
    await fill('app.orders', 300);
    const { call, kill } = await boot();
    const broken = call().catch(() => 'broken off');
    await until('the purge is at a batch', async () => {
      const busy = await suite.sql`
        select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
      return busy.length > 0;
    });
    await kill();
    expect(await broken).toBe('broken off');

    const next = await boot();
    expect(await next.call()).toMatchObject({ status: 409, body: { code: 'NS409' } });
    await expireLease(suite.sql);
    const taken = await next.call();
    expect(taken).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    const died = (await runs()).find(({ status }) => status === 'lost');
    expect(died).toBeDefined();
    expect(await statusesOf([died?.id, taken.body.runId])).toEqual(['lost', 'succeeded']);
    expect(await idsOf(suite.sql, 'app.orders')).toEqual(range(11, 30));
    // What the killed one had under way was committed, or undone and done again: no row went twice.
    expect(await deletedIds(suite.sql)).toEqual(range(1, 10));
  });
});

describe('a call that is refused', () => {
  it('is a problem with its status, and begins no run', async () => {
    await fill('app.orders');
    const before = (await runs()).length;
    const { call } = await booted();
    for (const [status, options] of [
      [401, { token: 'wrong' }],
      [401, { token: '' }],
      [404, { path: '/jobs/retention-purge' }],
      [404, { path: '' }],
      [404, { method: 'PUT' }],
      [404, { body: { only: ['app.order'] } }],
      [413, { body: 'x'.repeat(65_537) }],
      [413, { body: 'x'.repeat(5_000_000) }],
      [400, { body: '{"dryRun":' }],
      [422, { body: { dryRun: 'yes' } }],
    ] as const) {
      const { status: answered, contentType, body } = await call(options);
      expect([answered, body]).toMatchObject([
        status,
        { status, code: `NS${status}`, hint: expect.any(String) },
      ]);
      expect(contentType).toBe('application/problem+json');
    }
    expect((await runs()).length).toBe(before);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it('because of a pause or a brake is a 428', async () => {
    await fill('app.orders');
    const { call } = await booted();
    await suite.sql`select nightshift.pause('moving house')`;
    expect(await call()).toMatchObject({ status: 428, body: { code: 'NS428' } });
  });

  it('in every table is a 502', async () => {
    await fill('app.orders');
    await suite.sql.unsafe(`
      create function app.refuse() returns trigger language plpgsql as $$
      begin raise exception 'no' using errcode = '55000'; end $$;
      create trigger refuse before delete on app.orders for each row execute function app.refuse();
    `);
    expect(await (await booted()).call()).toMatchObject({ status: 502, body: { code: 'NS502' } });
  });

  it('without a token that is configured is a 401 for everybody', async () => {
    const { call } = await boot('retention-purge', { NIGHTSHIFT_HTTP_TOKEN: undefined });
    expect(await call()).toMatchObject({
      status: 401,
      body: { hint: expect.stringContaining('NIGHTSHIFT_HTTP_TOKEN') },
    });
  });

  it('by a function that is not configured is a 500, and its log says what to mend', async () => {
    const { call, log } = await boot('retention-purge', { SUPABASE_SECRET_KEYS: '{"other": "x"}' });
    expect(await call()).toMatchObject({ status: 500, body: { code: 'NS500' } });
    expect(JSON.stringify(log())).toContain('SUPABASE_SECRET_KEY: a secret key of the project');
  });
});

describe('what else is asked of them', () => {
  it('GET /health answers everybody with one word, and who has the token with all of it', async () => {
    const { call } = await boot('health-check');
    const open = await call({ method: 'GET', path: '/health', token: '' });
    expect(Object.keys(open.body)).toEqual(['status']);
    const { status, headers, body } = await call({ method: 'GET', path: '/health' });
    expect(status).toBe(body.status === 'critical' ? 503 : 200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ database: { reachable: true }, checks: expect.any(Array) });
  });

  it('GET /status.json answers what the last health check took, to the token that reads', async () => {
    const { call } = await boot('health-check', { NIGHTSHIFT_STATUS_TOKEN: 'reads-only-1f0c' });
    await call({ body: { quick: true } });
    const read = (token: string) => call({ method: 'GET', path: '/status.json', token });
    expect(await read('reads-only-1f0c')).toMatchObject({
      status: 200,
      body: { version: 1, isOld: false, jobs: { problem: null } },
    });
    expect((await read('guessed')).status).toBe(401);
  });

  it('GET /jobs/<job>/runs and GET /runs/<id> tell of runs', async () => {
    await fill('app.orders');
    const { body } = await (await booted()).call({ body: { dryRun: true } });
    const { call } = await boot('health-check');
    expect(await call({ method: 'GET', path: `/runs/${body.runId}` })).toMatchObject({
      status: 200,
      body: { runId: body.runId, status: 'succeeded' },
    });
    expect(await call({ method: 'GET', path: '/runs/nobody' })).toMatchObject({ status: 404 });
    expect((await call({ method: 'GET' })).status).toBe(200);
  });

  it('a legacy key opens the project as well', async () => {
    const { secretKey } = suite.gateway;
    const legacy = await boot('retention-purge', {
      SUPABASE_SECRET_KEYS: undefined,
      SUPABASE_SERVICE_ROLE_KEY: secretKey,
    });
    expect(await legacy.call({ body: { dryRun: true } })).toMatchObject({ status: 200 });
  });
});
