import { describe, expect, it } from 'vitest';
import { httpRequest } from '../support/events.ts';
import { loseAnswerOf, setUpHandler, standBefore } from '../support/handler.ts';
import { deletedIds } from '../support/purge.ts';
import { idsOf, range } from '../support/rows.ts';

const suite = setUpHandler();
const { call, countRuns, fill, runOf, runs } = suite;

/** A run that another trigger began, and that holds the lease. */
async function beginAnother(): Promise<string> {
  const [row] = await suite.sql<{ id: string }[]>`
    select nightshift.begin_run('retention-purge', 'cli') #>> '{run,id}' as id`;
  return row?.id ?? '';
}
const endOthers = () => suite.sql`
  update nightshift.runs set status = 'succeeded', finished_at = now() where status = 'running'`;

describe('a run over HTTP', () => {
  it('answers 200 with the report, and is in the ledger', async () => {
    await fill('app.orders');
    await fill('app.logs', { due: 3 });
    const { statusCode, body } = await call();
    expect(statusCode).toBe(200);
    expect(body).toMatchObject({
      status: 'succeeded',
      duplicate: false,
      error: null,
      report: {
        dryRun: false,
        rowsPurged: 13,
        rowsLeft: 0,
        steps: [
          { relation: 'app.logs', status: 'succeeded', dueRows: 3, rowsPurged: 3 },
          { relation: 'app.orders', status: 'succeeded', dueRows: 10, rowsPurged: 10 },
        ],
      },
    });
    expect(await idsOf(suite.sql, 'app.orders')).toEqual(range(11, 30));
    expect(await runOf(body.runId)).toMatchObject({
      status: 'succeeded',
      trigger: 'http',
      requested_by: httpRequest().requestContext.requestId,
    });
  });

  it('counts and deletes nothing in a dry run', async () => {
    await fill('app.orders', { due: 30, fresh: 10 });
    const { statusCode, body } = await call({ body: { dryRun: true } });
    expect(statusCode).toBe(200);
    expect(body.report).toMatchObject({
      dryRun: true,
      rowsPurged: 30,
      rowsLeft: 30,
    });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(40);
  });

  it('keeps to the tables named in only', async () => {
    await fill('app.orders');
    await fill('app.logs');
    const { body } = await call({ body: { only: ['app.logs'] }, base64: true });
    expect(body.report).toMatchObject({ rowsPurged: 10, steps: [{ relation: 'app.logs' }] });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it.each([
    ['unknown', 'app.order'],
    ['without a schema', 'orders'],
    ['malformed', 'APP.ORDERS"'],
    ['blank', ' '],
    ['more than a name', 'x; drop table app.orders'],
    ['of another database', 'db.app.orders'],
  ])('answers 404, and names the policies there are, for a name that is %s', async (_, name) => {
    await fill('app.orders');
    const before = await countRuns();
    const { statusCode, body } = await call({ body: { only: ['app.orders', name] } });
    expect(body).toMatchObject({
      code: 'NS404',
      detail: 'Policies exist for: app.orders',
      hint: expect.stringContaining('with their schema'),
    });
    expect(statusCode).toBe(404);
    expect(await countRuns()).toBe(before);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it.each([
    [{ dryrun: true }, 'dryrun'],
    [{ dryRun: 'yes' }, 'dryRun'],
    [{ force: null }, 'force'],
    [{ force: true }, 'force'],
    [{ only: 'app.orders' }, 'only'],
    [{ only: [] }, 'only'],
    [{ only: [''] }, 'only'],
    [{ only: ['app.orders\u0000'] }, 'only'],
    ['null', 'null'],
  ])('answers 422, and names what is wrong, for %j', async (input, named) => {
    await fill('app.orders');
    const before = await countRuns();
    const { statusCode, body } = await call({ body: input });
    expect(body).toMatchObject({
      code: 'NS422',
      detail: expect.stringContaining(named),
      hint: expect.stringContaining('{"dryRun":true'),
    });
    expect(statusCode).toBe(422);
    expect(await countRuns()).toBe(before);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it('answers 401, 404, 413 and 400 before it begins a run', async () => {
    const before = await countRuns();
    for (const [status, options] of [
      [401, { token: 'wrong' }],
      [401, { headers: { authorization: '' } }],
      [404, { path: '/jobs/retention-purge' }],
      [404, { method: 'PUT' }],
      [401, { method: 'GET', token: 'wrong' }],
      [413, { body: 'x'.repeat(65_537) }],
      [413, { body: 'x'.repeat(65_537), base64: true }],
      [400, { body: '{"dryRun":' }],
    ] as const) {
      const { statusCode, headers, body } = await call(options);
      expect(statusCode).toBe(status);
      expect(headers).toHaveProperty('content-type', 'application/problem+json');
      expect(body).toMatchObject({ status, code: `NS${status}`, hint: expect.any(String) });
    }
    expect(await countRuns()).toBe(before);
  });

  it.each(['begin_run', 'purge_batch', 'finish_run'])(
    'is one run and one truth when the answer of %s is lost',
    async (name) => {
      await fill('app.orders');
      const before = await countRuns();
      loseAnswerOf(name);
      const { statusCode, body } = await call();
      expect(statusCode).toBe(200);
      expect(body).toMatchObject({ status: 'succeeded', report: { rowsPurged: 10, rowsLeft: 0 } });
      expect(await deletedIds(suite.sql)).toEqual(range(1, 10));
      expect(await countRuns()).toBe(before + 1);
    },
  );

  it('succeeds when Cloudflare answers in the place of the last call', async () => {
    await fill('app.orders');
    standBefore('finish_run', 1);
    const { statusCode, body } = await call();
    expect(statusCode).toBe(200);
    expect(body).toMatchObject({ status: 'succeeded', report: { rowsPurged: 10, rowsLeft: 0 } });
    expect(await runOf(body.runId)).toMatchObject({ status: 'succeeded', error: null });
  });

  it('gets something done in the smallest budget that may be set', async () => {
    await suite.coldStart({ NIGHTSHIFT_HTTP_BUDGET_MS: '3000' });
    await fill('app.orders');
    suite.slowDown();
    expect((await call()).body).toMatchObject({ report: { rowsPurged: 10 } });
  });
});

describe('a run over HTTP that cannot start', () => {
  it('because another one is live is a 409 that names it, and may be asked for again', async () => {
    await fill('app.orders');
    const headers = { 'idempotency-key': 'after-the-other' };
    const other = await beginAnother();
    const { statusCode, body } = await call({ headers });
    expect(statusCode).toBe(409);
    expect(body).toMatchObject({
      code: 'NS409',
      title: expect.stringContaining(`under way: ${other.slice(0, 8)}, since 20`),
      detail: `It is run ${other}: nothing done yet.`,
      hint: expect.stringContaining(`POST /runs/${other}/cancel`),
    });
    expect(await runOf(body.runId)).toMatchObject({ status: 'skipped', trigger: 'http' });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);

    await endOthers();
    expect(await call({ headers })).toMatchObject({ statusCode: 200, body: { duplicate: false } });
    expect(await runs('after-the-other')).toMatchObject([{ status: 'succeeded' }]);
    expect(await deletedIds(suite.sql)).toEqual(range(1, 10));
  });

  it('because of a pause is a 428 that says how to go on, and may be asked for again', async () => {
    await fill('app.orders');
    const headers = { 'idempotency-key': 'after-the-move' };
    await suite.sql`select nightshift.pause('moving house')`;
    const { statusCode, body } = await call({ headers });
    expect(statusCode).toBe(428);
    expect(body).toMatchObject({
      code: 'NS428',
      title: 'Nightshift is paused: moving house.',
      hint: expect.stringContaining('nightshift.unpause()'),
    });
    expect(await runOf(body.runId)).toMatchObject({ status: 'skipped' });
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);

    await suite.sql`select nightshift.unpause()`;
    expect(await call({ headers })).toMatchObject({ statusCode: 200, body: { duplicate: false } });
  });
});

describe('the runs of a job over HTTP', () => {
  it('are listed, newest first, with how far they are, and only for who has the token', async () => {
    await fill('app.orders');
    await call({ body: { dryRun: true } });
    const { body: purged } = await call();
    const { statusCode, headers, body } = await call({ method: 'GET' });
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({ 'cache-control': 'no-store' });
    expect((body.runs as object[]).slice(0, 2)).toMatchObject([
      {
        runId: purged.runId,
        job: 'retention-purge',
        status: 'succeeded',
        trigger: 'http',
        progress: '10 of about 10 due rows purged',
      },
      { dryRun: true },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/"fence"|"report"|"scope"/);
    expect((await call({ method: 'GET', token: '' })).statusCode).toBe(401);
  });
});

describe('a key that was seen', () => {
  it('is answered with the report of the first run', async () => {
    await fill('app.orders');
    const headers = { 'Idempotency-Key': 'night-of-january' };
    const first = await call({ headers });
    await fill('app.logs');
    // The same request, spelled out.
    const second = await call({ headers, body: { dryRun: false } });
    expect(second.statusCode).toBe(200);
    expect(second.body).toEqual({ ...first.body, duplicate: true });
    expect(await runs('night-of-january')).toHaveLength(1);
    expect(await idsOf(suite.sql, 'app.logs')).toHaveLength(30);
  });

  it('is a 422 with another input, and nothing runs', async () => {
    await fill('app.orders');
    const headers = { 'idempotency-key': 'looked-first' };
    const first = await call({ headers, body: { dryRun: true } });
    expect(await call({ headers })).toMatchObject({
      statusCode: 422,
      body: { code: 'NS422', detail: `Run ${first.body.runId} has it.`, hint: expect.any(String) },
    });
    expect(await runs('looked-first')).toHaveLength(1);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(30);
  });

  it('by another trigger is no key of ours', async () => {
    await fill('app.orders');
    await suite.sql`select nightshift.begin_run('retention-purge', 'cli', 'of-both')`;
    await endOthers();
    const answer = await call({ headers: { 'idempotency-key': 'of-both' } });
    expect(answer).toMatchObject({ statusCode: 200, body: { duplicate: false } });
    expect(await runs('of-both')).toMatchObject([{ trigger: 'cli' }, { trigger: 'http' }]);
  });
});

describe('a run over HTTP that failed', () => {
  it('at the brake is a 428 each time it is asked for, deletes nothing, and obeys force', async () => {
    await fill('app.orders', { due: 900, fresh: 300 });
    const headers = { 'idempotency-key': 'too-much' };
    const refused = await call({ headers });
    expect(refused).toMatchObject({
      statusCode: 428,
      body: {
        code: 'NS428',
        title: expect.stringContaining('app.orders: at least 900 of 1200'),
        detail: expect.stringContaining('It was left alone'),
        hint: expect.stringContaining(
          'POST /jobs/retention-purge/runs with {"force":["app.orders"]}',
        ),
      },
    });
    expect(await call({ headers })).toEqual(refused);
    expect(await runs('too-much')).toMatchObject([{ id: refused.body.runId, status: 'failed' }]);
    expect(await idsOf(suite.sql, 'app.orders')).toHaveLength(1_200);

    expect(await call({ body: { force: ['app.orders'] } })).toMatchObject({
      statusCode: 200,
      body: { report: { rowsPurged: 900 } },
    });
    expect(await idsOf(suite.sql, 'app.orders')).toEqual(range(901, 1_200));
  });

  it('in every table is a 502 each time it is asked for, with a report in the ledger', async () => {
    await fill('app.orders');
    await suite.onDelete('app.orders', `raise exception 'no' using errcode = '55000'`);
    const headers = { 'idempotency-key': 'no-table' };
    const failed = await call({ headers });
    const message = 'purge_batch failed with 55000; the Postgres log has the message';
    expect(failed).toMatchObject({
      statusCode: 502,
      body: {
        code: 'NS502',
        title: 'No table could be purged',
        detail: `app.orders: ${message}`,
        hint: expect.any(String),
      },
    });
    expect(await runOf(failed.body.runId)).toMatchObject({
      status: 'failed',
      error: { code: 'NS502' },
      report: { rowsLeft: 10, steps: [{ status: 'failed', error: { code: '55000', message } }] },
    });
    expect(await call({ headers })).toEqual(failed);
  });

  it('in one table of two is a 200, and the report says which', async () => {
    await fill('app.orders');
    await fill('app.logs');
    await suite.onDelete('app.orders', `raise exception 'no' using errcode = '55000'`);
    expect(await call()).toMatchObject({
      statusCode: 200,
      body: { status: 'partial', report: { steps: [{}, { error: { code: '55000' } }] } },
    });
  });

  it('without a word is a 409 when it is asked for again', async () => {
    const [died] = await suite.sql<{ id: string }[]>`
      select nightshift.begin_run(
        'retention-purge', 'http', 'died', input => '{"dryRun": false, "force": [], "pace": "gentle"}',
        as_of => now() - interval '10 minutes'
      ) #>> '{run,id}' as id`;
    expect(await call()).toMatchObject({ statusCode: 200 });
    expect(await call({ headers: { 'idempotency-key': 'died' } })).toMatchObject({
      statusCode: 409,
      body: { code: 'NS409', title: expect.stringContaining('lease ran out'), runId: died?.id },
    });
  });
});
